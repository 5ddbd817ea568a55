#pragma once
// Of OpenSSL 3 its SHA-256 by itself: through EVP the first digest loads providers, settings and their
// texts, 2 MB.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
