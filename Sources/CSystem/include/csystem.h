#pragma once
// What Swift cannot do itself: thread-local pointers, flags that a signal handler may set, words in shared
// memory, affinity, starting programs, and running out of memory in an orderly way.
#include <stddef.h>
#include <stdint.h>

// One pointer a thread, nil at first: where a thread keeps what it must not share.
// 0 <= slot < 4: 0 oneDNN's context, 1 noGrad, 2 the activation recorder, 3 the warning about
// probabilities.
void *nd_thread_slot(int slot);
void nd_set_thread_slot(int slot, void *value);

// A flag that a signal handler sets and the program reads: the number of the last stop signal.
void nd_note_signal(int number);
int nd_noted_signal(void);

// Signs of life: words that a process writes as it goes, and that watchdogs read, its own and those of
// other processes. They lie in the process's own memory until they are moved to some that is shared.
// Here because Swift has no atomic access to such words.
enum {
  ND_SIGN_TICK,      // grows as long as the process's watchdog runs
  ND_SIGN_PROGRESS,  // grows as long as its work goes on
  ND_SIGN_SECTION,   // what it is doing
  ND_SIGN_STEP,
  ND_SIGN_WAITING,   // 1 while it waits for other ranks
  ND_SIGN_PROCESS,   // its number
  ND_SIGN_RANK,
  ND_SIGN_STATE,     // 0 before its watchdog runs, 1 then, 2 when it is about to end
  ND_SIGN_CLAIM,     // 1 once somebody speaks for all; in the first rank's place
  ND_SIGN_LIMIT,     // milliseconds without progress that are too long; 0: none are
  ND_SIGN_COUNT = 16
};
// Moves them, with what they say, to `place`, [ND_SIGN_COUNT]; NULL: back. Returns where they are.
uint64_t *nd_move_signs(uint64_t *place);
// Writes one of this process's, and counts progress.
void nd_show_sign(ptrdiff_t which, uint64_t value);
void nd_note_progress(void);
// The same at a place that is known.
void nd_show_at(uint64_t *place, ptrdiff_t which, uint64_t value);
uint64_t nd_sign(const uint64_t *place, ptrdiff_t which);
// Makes a word that is 0 1; returns 1 to the one who did.
int nd_claim(uint64_t *place, ptrdiff_t which);
// Where the ranks of this host claim to speak for all; NULL: this process speaks for itself.
void nd_share_claim(uint64_t *place);
// Whether nobody has spoken yet; 1 to one who asks.
int nd_claim_line(void);
// The step that this process's signs show; 0 before the first.
long long nd_current_step(void);
// This process's rank as its launcher says, which is known before MPI begins; -1 without one.
int nd_launcher_rank(void);

// Ends the process, which cannot go on without the memory for `what`: by the handler that is installed,
// or with a message and abort(). Needs no memory itself; callable from any thread.
_Noreturn void nd_out_of_memory(const char *what);
// Installs what nd_out_of_memory calls instead of abort(). The handler must not return or allocate.
void nd_set_out_of_memory_handler(void (*handler)(const char *what));
// A handler that prints one line "nndist: error: ..." with rank, host, step and `what`, and exits with 70.
void nd_exit_out_of_memory(const char *what);
// Aligned memory for free(); calls nd_out_of_memory when there is none.
void *nd_allocate(size_t alignment, size_t bytes);
// malloc that returns NULL when there is none, also in a program whose malloc ends the process instead.
void *nd_try_malloc(size_t bytes);
// Returns the heap's free pages to the system.
void nd_trim_heap(void);

// A word in memory that several processes map. What a process wrote before it stored `value` is seen
// by the one that found it there.
void nd_store_release(uint64_t *word, uint64_t value);
// Looks, at most `looks` times with a pause between, whether *word >= value: 1 as soon as it is.
int nd_spin_until(const uint64_t *word, uint64_t value, int looks);

// The build id that the linker gave this program (the note .note.gnu.build-id), cut or padded with
// zeros to `capacity` bytes; returns its length, 0 where there is none.
int nd_build_id(uint8_t *id, int capacity);

// For a thread that mostly sleeps: it is to run as soon as it wakes, though others compute.
void nd_wake_promptly(void);

// The cores this process may run on; returns how many, 0 where the system does not say.
int nd_usable_cores(int *cores, int capacity);

// The core that the calling thread is on; -1 where the system does not say.
int nd_current_core(void);
// Moves the calling thread to another of its cores than these, if it has one. It may come back.
void nd_leave_cores(const int *cores, int count);

// Starts a program: arguments[0], looked up in PATH. It gets the files `input` (NULL: /dev/null), `output`
// and `errors` (made where missing; NULL: this process's own) and no other open one, and no signal is
// blocked in it. `variables`, each NAME=value, are added to this process's environment; both lists end
// with NULL. Returns an errno, 0 and `process` where it runs.
// is_job: in a process group of its own, and no signal is ignored, as a shell starts a job. Else it shares
// this process's group, and with it Ctrl-C, and what this process was told to ignore (nohup).
int nd_start_program(
    int *process, char *const *arguments, char *const *variables, const char *input,
    const char *output, const char *errors, int is_job);
// Waits for its end, once. Returns its exit status, 128 + n where signal n ended it; -1 where the system
// does not tell (SIGCHLD is ignored).
int nd_wait_for_program(int process);

// A file in memory alone, which is gone when its descriptor is closed; -1 and errno where there is none.
int nd_memory_file(void);
