/* words.h - octets that are known, each with a number: names that are taken, addresses that were given out, who hides */
#ifndef VIADUCT_DIRECTORY_WORDS_H
#define VIADUCT_DIRECTORY_WORDS_H

#include "common/buf.h"

struct dir_words;

NEW_MEMORY struct dir_words *dir_words_new(void);
void dir_words_free(struct dir_words *words);

/* Gives a word a number, in place of the one that it had. */
void dir_words_set(struct dir_words *words, struct span word, int64_t number);

/* Its number; `missing` where it has none. */
int64_t dir_words_get(const struct dir_words *words, struct span word, int64_t missing);

/* How many there are; and the n-th that was set first, in that order. */
size_t dir_words_count(const struct dir_words *words);
struct span dir_words_at(const struct dir_words *words, size_t n, int64_t *number);

/* The text in lower case (ASCII), as a key for such tables: in `key`, in place of what it held. */
struct span dir_fold(struct buf *key, struct span text);

/* A hash with a random key, for tables whose keys come from outside (SipHash-1-3). */
uint64_t dir_hash(const uint64_t seed[2], struct span key);
void dir_hash_seed(uint64_t seed[2]);

#endif
