/* choices.h - what was chosen about GroupWise, for the code (see choices.def) */
#ifndef VIADUCT_GWISE_CHOICES_H
#define VIADUCT_GWISE_CHOICES_H

#define WORD(name, text)
#define STATUS(stem, fate, notice)
#define TOLD(notice, word)
#define ANSWER(answer, word, mail)
#define NUMBER(name, value) name = (value),
enum gwise_number {
#include "systems/gwise/choices.def"
};

#define WORD(name, text) const char *name;
#define STATUS(stem, fate, notice)
#define TOLD(notice, word)
#define ANSWER(answer, word, mail)
#define NUMBER(name, value)
struct gwise_words {
#include "systems/gwise/choices.def"
};

extern const struct gwise_words gwise_words;

#endif
