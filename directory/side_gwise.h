/* side_gwise.h - GroupWise's directory as a side, through the files of its API gateway (see side.h, systems/gwise/directory.h)
 *
 *     read:   -GET-DIRECTORY- --> DirOut --> API_IN  ...  API_OUT --> ReadyIn --> DirIn --> side_gwise_answer() --> read again
 *     write:  post offices, then Add, Modify, Delete --> DirOut; nothing comes back
 *
 * One request at a time and gateway. What was asked stands in spool/dirsync/<dirsync>.asked, what came in <dirsync>.answer. Always
 * all is asked for, never a List of one post office: a List without an entry has no answer, which looks like one that was lost;
 * the whole directory has our own foreign domain in it as well; and with one kind of question answers cannot be taken for one
 * another's, which is how Exchange's connector once deleted every GroupWise user.
 *
 * Who lies in our own foreign domain is a copy of ours: that is the mark, since lists return no attribute that is known to be free
 * for one. Its GWISE address says for whom it stands. What the gateway's code page or its limits have changed of a value that we
 * wrote is known by the set before, so it is not written again and again.
 *
 * There is no word of what became of a request to write: the next reading tells. So each Modify has an Add of the same entry
 * before it (an entry that is not there any more cannot be modified; of both, one fails without harm).
 *
 * What is hostile here: answers.
 */
#ifndef VIADUCT_SIDE_GWISE_H
#define VIADUCT_SIDE_GWISE_H

#include "common/queue_file.h"
#include "directory/edit.h"
#include "systems/gwise/directory.h"
#include "systems/mime/charset.h"

/* ---- for whoever takes items from DirIn ---- */

/* Takes an item of a connector's DirIn. Where it is the answer to what one of its dirsyncs asked, it is kept for the next run and
 * `*whose` is that dirsync; `*goes_on` says whether that run is to be made at once, or by the person who asked. Parses what is
 * hostile: to be called where a crash costs nothing. Returns
 *     0
 *     -ENOENT with `why` where nobody asks (the gateway sends some by itself): ignored, and the last one is kept as
 *         spool/dirsync/<connector>.unasked
 *     -EBADMSG with `why` where it cannot be an answer to what was asked, or is not whole: for a person to look at (Badmail), and
 *         the answer is still waited for
 *     another -errno with `why` where it cannot be kept now: the item is to be taken again later */
int side_gwise_answer(const struct dir_context *context, const char *connector, const struct queue_file *item,
                      const struct conf_dirsync **whose, bool *goes_on, struct why *why);

/* ---- among the chapters ---- */

struct gwise_side {
    struct dir_side side; /* first: the operations know no other */
    const struct conf_foreign *foreign;
    const struct conf_connector *connector;
    char domain[64]; /* our own foreign domain */
    struct codepage *codepage;
    enum unmappable unmappable;
    /* writing */
    struct dir_set *current;   /* what the directory holds, with the changes; NULL: nothing was written yet */
    struct arena *arena;       /* of one change */
    struct dir_words *offices; /* post offices of our domain that are known to be there */
    struct buf office_file, file; /* requests in the making; empty: none */
    struct buf *files;            /* full ones */
    size_t n_files, files_size;
    struct gwise_waiting {
        const struct dir_change *change;
        enum dir_result result;
        void (*done)(void *arg, const struct dir_change *change, enum dir_result result, const struct why *why);
        void *arg;
    } * waiting;
    size_t n_waiting, waiting_size;
    bool broken;
    struct why why;
};

/* The foreign domain of a dirsync, by its configuration, the connector's, or the recipient policies'. False: none of them says. */
bool gwise_own_domain(const struct conf_root *root, const struct conf_dirsync *dirsync, char domain[64]);

/* side_gwise_ask.c: what was asked and what came. */

/* Asks for everything: -EINPROGRESS; -EAGAIN where another dirsync waits for the same gateway; or -errno; with `why`. */
int gwise_ask(const struct gwise_side *side, struct why *why);
/* The answer, as UTF-8. 0; -EINPROGRESS where it is still waited for; -ENOENT where nothing was asked; -ETIMEDOUT where it did not
 * come in time: then nothing is asked any more; or -errno; with `why`. */
int gwise_answered(const struct gwise_side *side, struct buf *text, struct why *why);
/* Forgets question and answer. */
void gwise_forget(const struct gwise_side *side);
/* Puts a request into DirOut, its content durable; else -errno with `why`. A power cut may cost the name, and with it the request:
 * the next reading shows what was not done. */
int gwise_send(const struct gwise_side *side, struct span text, struct why *why);

/* side_gwise_entry.c */

/* Fills a set from an answer's text. `before` is what was known (NULL: nothing). 0, or -EBADMSG with `why`. */
int gwise_take_answer(const struct gwise_side *side, struct span text, const struct dir_set *before,
                      struct dir_set *set, struct why *why);
/* Whether a text can be the answer to a request for everything. 0, or -EBADMSG with `why`. */
int gwise_judge_answer(struct span text, struct span own_domain, struct arena *arena, struct api_file *file,
                       struct why *why);
/* The id of an entry: its address without regard to case. */
struct span gwise_id(struct span address, struct arena *arena);
/* An entry of ours for the gateway; false with `why` for one whose address it cannot have. */
bool gwise_fill(const struct gwise_side *side, const struct dir_entry *entry, struct directory_entry *out,
                struct why *why);

/* side_gwise_write.c: as in dir_side_ops. */
void gwise_apply(struct dir_side *side, const struct dir_change *change,
                 void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                              const struct why *why),
                 void *arg);
void gwise_flush(struct dir_side *side);

#endif
