#pragma once
// A target without functions to call: a program that links it replaces malloc and its kin. See allocator.c.
