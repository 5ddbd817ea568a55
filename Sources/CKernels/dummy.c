int nd_dummy(void){return 0;}
