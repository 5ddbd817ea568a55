#pragma once
#include <stdint.h>
#include <stddef.h>
int nd_dummy(void);
