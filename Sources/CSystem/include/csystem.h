#pragma once
// Functions that Swift cannot provide itself: thread-local pointers, flags that a signal handler
// may set, atomic words in shared memory, CPU affinity, starting programs, and an error message
// when memory runs out.
#include <stddef.h>
#include <stdint.h>

// Thread-local pointers, NULL at first. 0 <= slot < 4: 0 oneDNN's context, 1 noGrad, 2 the
// activation recorder, 3 the warning about probabilities.
void *nd_thread_slot(int slot);
void nd_set_thread_slot(int slot, void *value);

// A flag that a signal handler sets and the program reads: the number of the last stop signal.
void nd_note_signal(int number);
int nd_noted_signal(void);

// The heartbeat: words that a process updates as it runs, and that watchdogs read, its own and
// those of other processes. They are in the process's own memory until nd_move_heartbeat moves them
// to shared memory. They are in C because Swift has no atomic access to such words.
enum {
  ND_HEARTBEAT_TICK,      // grows as long as the process's watchdog runs
  ND_HEARTBEAT_PROGRESS,  // grows as long as its work continues
  ND_HEARTBEAT_SECTION,   // the part of the program that is running
  ND_HEARTBEAT_STEP,
  ND_HEARTBEAT_WAITING,   // 1 while it waits for other ranks
  ND_HEARTBEAT_PROCESS,   // the process id
  ND_HEARTBEAT_RANK,
  ND_HEARTBEAT_STATE,     // 0 before its watchdog runs, then 1, and 2 when it is about to end
  ND_HEARTBEAT_REPORTED,  // 1 once a process reports an error for all; in the first rank's words
  ND_HEARTBEAT_LIMIT,     // milliseconds without progress that are too long; 0: no limit
  ND_HEARTBEAT_COUNT = 16
};
// Moves the words and their values to `place`, [ND_HEARTBEAT_COUNT]; NULL: back to this process's
// own memory. Returns where they are now.
uint64_t *nd_move_heartbeat(uint64_t *place);
// Sets word `which` of this process's heartbeat.
void nd_set_heartbeat(ptrdiff_t which, uint64_t value);
// Adds 1 to ND_HEARTBEAT_PROGRESS of this process's heartbeat.
void nd_note_progress(void);
// Atomic access to words[which], with relaxed ordering.
void nd_store_relaxed(uint64_t *words, ptrdiff_t which, uint64_t value);
uint64_t nd_load_relaxed(const uint64_t *words, ptrdiff_t which);
// Sets words[which] to 1 if it is 0. Returns 1 to the one caller that set it, else 0.
int nd_set_if_zero(uint64_t *words, ptrdiff_t which);
// Sets the heartbeat whose ND_HEARTBEAT_REPORTED the ranks of this host share, so that one of them
// reports an error for all. NULL: this process reports for itself.
void nd_share_reported(uint64_t *words);
// Returns 1 to the first caller, which then reports the error, and 0 to all others.
int nd_may_report(void);
// The step in this process's heartbeat; 0 before the first.
long long nd_current_step(void);
// This process's rank from its launcher's environment variables, which is known before MPI starts;
// -1 without a launcher.
int nd_launcher_rank(void);

// Ends the process, which cannot continue without the memory for `what`. It calls the installed
// handler; without one it prints a message and calls abort(). Needs no memory itself; callable from
// any thread.
_Noreturn void nd_out_of_memory(const char *what);
// Installs the handler that nd_out_of_memory calls instead of abort(). It must not return or
// allocate.
void nd_set_out_of_memory_handler(void (*handler)(const char *what));
// A handler that prints one line "nndist: error: ..." with rank, host, step and `what`, and exits
// with 70.
void nd_exit_out_of_memory(const char *what);
// Aligned memory, to be freed by free(). Calls nd_out_of_memory where there is none.
void *nd_allocate(size_t alignment, size_t bytes);
// malloc that returns NULL where there is no memory, even in a program whose malloc ends the
// process then.
void *nd_try_malloc(size_t bytes);
// Returns the heap's free pages to the system.
void nd_trim_heap(void);

// Stores a word in memory that several processes map, with release ordering. A process that reads
// `value` by nd_spin_until sees everything that was written before it was stored.
void nd_store_release(uint64_t *word, uint64_t value);
// Reads *word at most `attempts` times, with a short pause between. Returns 1 as soon as *word >=
// value, else 0.
int nd_spin_until(const uint64_t *word, uint64_t value, int attempts);

// Writes the build id that the linker gave this program (the note .note.gnu.build-id) to `id`,
// truncated or padded with zeros to `capacity` bytes. Returns its length, 0 where there is none.
int nd_build_id(uint8_t *id, int capacity);

// Makes the calling thread, which mostly sleeps, run as soon as it wakes, even while other threads
// compute.
void nd_wake_promptly(void);

// Writes the cores that this process may run on. Returns their number, 0 where the system does not
// tell.
int nd_usable_cores(int *cores, int capacity);

// The core that the calling thread runs on; -1 where the system does not tell.
int nd_current_core(void);
// Moves the calling thread to a core that is not among these, if it may use one. It may move back
// later.
void nd_leave_cores(const int *cores, int count);

// Starts a program: arguments[0], looked up in PATH. Its standard input is the file `input` (NULL:
// /dev/null). Its standard output and standard error are the files `output` and `errors`, which are
// created where missing (NULL: this process's own). It gets no other open file, and no signal is
// blocked in it. `variables`, each NAME=value, are added to this process's environment. Both lists
// end with NULL. Returns 0 and sets `process` if it runs, else an errno. is_job: starts it as a
// shell starts a job, in a process group of its own and with no signal ignored. Else it shares this
// process's group, so that it also gets Ctrl-C, and ignores the signals that this process was
// started to ignore (nohup).
int nd_start_program(
    int *process, char *const *arguments, char *const *variables, const char *input,
    const char *output, const char *errors, int is_job);
// Waits until a program that was started ends; may be called once for it. Returns its exit status,
// 128 + n if signal n ended it, or -1 where the system does not tell (SIGCHLD is ignored).
int nd_wait_for_program(int process);

// The descriptor of a new file in memory, which is deleted when its descriptor is closed. Returns
// -1 and sets errno on failure.
int nd_memory_file(void);
