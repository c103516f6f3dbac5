/* worker_state.h - a worker's state file: what it does, what it has in hand, how it fared
 *
 * state/<instance>.<lane> is a shared mapping: writing to it costs no system call and outlives a crash of its
 * writer. An instance has a few lanes, so that while a reload is under way the old process and the new one do
 * not share a page; a lane belongs to whoever holds the lock (flock) on Temp/<instance>.<lane>. Readers
 * (`viaduct status`, the successor) map or read it; a page may change while it is read, so texts are cut at
 * their arrays' ends by the reader.
 *
 * The file is a page that tells how the worker is (`struct state_page`, at most STATE_HEAD bytes), and behind it an
 * entry for each message that it may have in hand: all of it has its blocks on the disk before the first message
 * is taken, since a write to a mapped hole ends the worker where the disk is full. Only the worker reads entries.
 *
 * The rule of the poison message: names in hand at a crash are suspects and are taken alone, one by one, before
 * anything else. A crash with one message in hand counts against it; the third such crash and it goes to
 * Badmail. Its envelope is read for that, so that the books know its recipients, and no more if a fourth crash
 * shows that even this ends the worker.
 */
#ifndef VIADUCT_WORKER_STATE_H
#define VIADUCT_WORKER_STATE_H

#include "common/id.h"
#include "spool-layout/layout.h"

/* Exit status of a worker that its connector's module has nothing for: the master does not start it again. */
enum { WORKER_UNUSED = 72 };

/* A name is a queue file's, or in a folder of strangers any that a file system takes: 255 bytes. */
enum {
    STATE_NAME_MAX = 256,
    STATE_SLOTS = 512, /* at most; a worker has as many as it takes in hand */
    STATE_CRASHES_MAX = 3,
    STATE_LANES = 4,
    STATE_HEAD = 4096
};

/* In `sandbox`: what the worker does without follows these words. */
#define STATE_SANDBOX_WITHOUT "; without "

struct state_message {
    char name[STATE_NAME_MAX]; /* "" for a free slot */
    char connector[CONNECTOR_NAME_MAX + 1];
    uint32_t folder;
    uint32_t crashes;
};

struct state_page {
    char magic[16]; /* "viaduct-state 3" */
    int32_t pid;    /* 0: ended in order */
    uint32_t ready; /* 1: took its first look at its folders */
    int64_t started_ms, beat_ms;
    uint64_t moves;
    int64_t last_ok_ms;   /* gateways: the last success with the system */
    int64_t trouble_ms;   /* since when it has trouble; 0: none */
    char trouble[256];    /* which: "cannot connect to smtp://...: refused" */
    char last_error[256]; /* the last error of any kind */
    int64_t last_error_ms;
    char sandbox[160]; /* how it is confined, and what the kernel could not give */
    uint32_t on_hold, full, ending, in_hand, waiting;
    char hold_reason[160];
    uint32_t n_suspects;
};

/* A message in hand, and beside it one of the suspects, which are the first `n_suspects`: they were in hand once, so there are
 * never more. */
struct state_entry {
    struct state_message slot, suspect;
};

/* Reads the page of a file. 0, or -EINVAL for another version or size, or -errno. All texts end in NUL. */
int state_read(int state_folder_fd, const char *file_name, struct state_page *page);

/* For the writer: whether a mapped page is of this version, and an end for each of its texts. */
extern const char state_page_magic[16];
bool state_page_valid(const struct state_page *page);
void state_page_end_texts(struct state_page *page);

#endif
