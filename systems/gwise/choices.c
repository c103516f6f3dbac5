/* choices.c - the words of the table (see choices.def) */
#include "systems/gwise/choices.h"

#define WORD(name, text) .name = (text),
#define STATUS(stem, fate, notice)
#define TOLD(notice, word)
#define ANSWER(answer, word, mail)
#define NUMBER(name, value)
const struct gwise_words gwise_words = {
#include "systems/gwise/choices.def"
};
