#define _GNU_SOURCE  // sched_getaffinity
#include "ckernels.h"
#include <sched.h>
#include <signal.h>

// Here because Swift has no thread-local variables and no async-signal-safe globals.
static _Thread_local void *slots[4];

void *nd_thread_slot(int slot) { return slots[slot]; }
void nd_set_thread_slot(int slot, void *value) { slots[slot] = value; }

static volatile sig_atomic_t noted;

void nd_note_signal(int number) { noted = number; }
int nd_noted_signal(void) { return noted; }

int nd_usable_cores(int *cores, int capacity) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 0;
  int count = 0;
  for (int core = 0; core < CPU_SETSIZE && count < capacity; core++)
    if (CPU_ISSET(core, &set)) cores[count++] = core;
  return count;
}
