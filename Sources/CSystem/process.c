// For sched_getaffinity, sched_getcpu, dl_iterate_phdr, addclosefrom_np and memfd_create.
#define _GNU_SOURCE
#include "csystem.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <string.h>

// In C because Swift has no thread-local variables and no async-signal-safe globals. initial-exec:
// the variable is in the program's own block of thread-local storage, which is found without a
// function call. Each op reads one or two slots.
static _Thread_local void *slots[4] __attribute__((tls_model("initial-exec")));

void *nd_thread_slot(int slot) { return slots[slot]; }
void nd_set_thread_slot(int slot, void *value) { slots[slot] = value; }

static volatile sig_atomic_t noted;

void nd_note_signal(int number) { noted = number; }
int nd_noted_signal(void) { return noted; }

static uint64_t own_heartbeat[ND_HEARTBEAT_COUNT];
static uint64_t *heartbeat = own_heartbeat;

uint64_t *nd_move_heartbeat(uint64_t *place) {
  uint64_t *to = place ? place : own_heartbeat;
  if (to != heartbeat)
    for (int i = 0; i < ND_HEARTBEAT_COUNT; i++)
      nd_store_relaxed(to, i, nd_load_relaxed(heartbeat, i));
  __atomic_store_n(&heartbeat, to, __ATOMIC_RELEASE);
  return to;
}

void nd_set_heartbeat(ptrdiff_t which, uint64_t value) {
  nd_store_relaxed(__atomic_load_n(&heartbeat, __ATOMIC_RELAXED), which, value);
}

void nd_note_progress(void) {
  uint64_t *place = __atomic_load_n(&heartbeat, __ATOMIC_RELAXED);
  __atomic_fetch_add(&place[ND_HEARTBEAT_PROGRESS], 1, __ATOMIC_RELAXED);
}

void nd_store_relaxed(uint64_t *words, ptrdiff_t which, uint64_t value) {
  __atomic_store_n(&words[which], value, __ATOMIC_RELAXED);
}

uint64_t nd_load_relaxed(const uint64_t *words, ptrdiff_t which) {
  return __atomic_load_n(&words[which], __ATOMIC_RELAXED);
}

int nd_set_if_zero(uint64_t *words, ptrdiff_t which) {
  uint64_t expected = 0;
  return __atomic_compare_exchange_n(
      &words[which], &expected, 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static uint64_t *shared_heartbeat;

void nd_share_reported(uint64_t *words) {
  __atomic_store_n(&shared_heartbeat, words, __ATOMIC_RELEASE);
}

int nd_may_report(void) {
  uint64_t *shared = __atomic_load_n(&shared_heartbeat, __ATOMIC_ACQUIRE);
  return nd_set_if_zero(shared ? shared : own_heartbeat, ND_HEARTBEAT_REPORTED);
}

long long nd_current_step(void) {
  const uint64_t *words = __atomic_load_n(&heartbeat, __ATOMIC_ACQUIRE);
  return (long long)nd_load_relaxed(words, ND_HEARTBEAT_STEP);
}

int nd_launcher_rank(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *text = getenv(names[i]);
    if (text) return atoi(text);
  }
  return -1;
}

// Linux's structure sched_attr, which the C library does not declare
// (include/uapi/linux/sched/types.h).
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

void nd_wake_promptly(void) {
  // A time slice of 0.1 ms. Since Linux 6.12 a thread with a shorter slice runs as soon as it
  // wakes. It would else wait for the end of the computing thread's slice, about 3 ms. Older
  // versions ignore this.
  struct scheduling own = {.size = sizeof own, .runtime = 100000};
  struct scheduling known = {.size = sizeof known};
  if (!syscall(SYS_sched_getattr, 0, &known, sizeof known, 0)) {
    own.policy = known.policy;
    own.nice = known.nice;
    if (known.policy == SCHED_OTHER) syscall(SYS_sched_setattr, 0, &own, 0);
  }
  prctl(PR_SET_TIMERSLACK, 1000);  // ns by which a sleep may be longer than requested
}

int nd_usable_cores(int *cores, int capacity) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 0;
  int count = 0;
  for (int core = 0; core < CPU_SETSIZE && count < capacity; core++)
    if (CPU_ISSET(core, &set)) cores[count++] = core;
  return count;
}

int nd_current_core(void) { return sched_getcpu(); }

void nd_leave_cores(const int *cores, int count) {
  cpu_set_t all, left;
  if (sched_getaffinity(0, sizeof all, &all)) return;
  left = all;
  for (int i = 0; i < count; i++)
    if (cores[i] >= 0 && cores[i] < CPU_SETSIZE) CPU_CLR(cores[i], &left);
  if (CPU_COUNT(&left) == 0 || sched_setaffinity(0, sizeof left, &left)) return;
  sched_setaffinity(0, sizeof all, &all);
}

struct build_id {
  uint8_t *bytes;
  int capacity, count;
};

// Searches the notes of the first object, which is the program itself (ELF, "Note Section").
static int find_build_id(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct build_id *found = context;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    if (segment->p_type != PT_NOTE) continue;
    const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
    const char *end = at + segment->p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
      const char *name = at + sizeof *note;
      const char *content = name + ((note->n_namesz + 3) & ~3u);
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
        found->count = (int)note->n_descsz;
        int kept = found->count < found->capacity ? found->count : found->capacity;
        memcpy(found->bytes, content, (size_t)kept);
        return 1;
      }
      at = content + ((note->n_descsz + 3) & ~3u);
    }
  }
  return 1;  // stops: the next objects are libraries, with ids of their own
}

int nd_build_id(uint8_t *id, int capacity) {
  memset(id, 0, (size_t)capacity);
  struct build_id found = {id, capacity, 0};
  dl_iterate_phdr(find_build_id, &found);
  return found.count;
}

// Whether a and b, each NAME=value, have the same name.
static int have_same_name(const char *a, const char *b) {
  size_t length = strcspn(a, "=");
  return !strncmp(a, b, length) && b[length] == '=';
}

// This process's environment variables, except those that `added` sets too, and then `added`.
static char **merged_environment(char *const *added) {
  size_t own_count = 0, added_count = 0, count = 0;
  while (environ && environ[own_count]) own_count++;
  while (added[added_count]) added_count++;
  char **merged = nd_allocate(sizeof *merged, (own_count + added_count + 1) * sizeof *merged);
  for (size_t i = 0; i < own_count; i++) {
    size_t j = 0;
    while (j < added_count && !have_same_name(added[j], environ[i])) j++;
    if (j == added_count) merged[count++] = environ[i];
  }
  memcpy(merged + count, added, (added_count + 1) * sizeof *merged);
  return merged;
}

int nd_start_program(
    int *process, char *const *arguments, char *const *variables, const char *input,
    const char *output, const char *errors, int is_job) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  const int write = O_WRONLY | O_CREAT | O_TRUNC;
  int status = posix_spawn_file_actions_addopen(
      &actions, 0, input ? input : "/dev/null", O_RDONLY, 0);
  if (!status && output)
    status = posix_spawn_file_actions_addopen(&actions, 1, output, write, 0600);
  if (!status && errors)
    status = posix_spawn_file_actions_addopen(&actions, 2, errors, write, 0600);
  if (!status) status = posix_spawn_file_actions_addclosefrom_np(&actions, 3);

  sigset_t none, unignored;
  sigemptyset(&none);
  // This program ignores these signals for itself (StopSignals.install); other programs do not
  // expect that.
  sigemptyset(&unignored);
  sigaddset(&unignored, SIGPIPE);
  sigaddset(&unignored, SIGXFSZ);
  if (is_job) sigfillset(&unignored);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &unignored);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(
      &attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                           (is_job ? POSIX_SPAWN_SETPGROUP : 0)));

  char **environment = merged_environment(variables);
  if (!status)
    status = posix_spawnp(process, arguments[0], &actions, &attributes, arguments, environment);
  free(environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return status;
}

int nd_wait_for_program(int process) {
  int status;
  while (waitpid(process, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int nd_memory_file(void) { return memfd_create("nndist", MFD_CLOEXEC); }
