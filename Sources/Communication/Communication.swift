import TensorCore
import CMPI
