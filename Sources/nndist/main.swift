import COneDNN
import CMPI
conednn_use_one_thread()
print("hello", dnnl_get_effective_cpu_isa())
