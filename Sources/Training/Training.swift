import COpenSSL
import TensorCore
