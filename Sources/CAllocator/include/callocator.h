#pragma once
// This target has no functions to call. A program that links it replaces malloc and the related
// functions; see allocator.c.
