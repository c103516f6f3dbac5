/* run-corpus.c - runs a fuzz target over files, without a fuzzer
 *
 *     fuzz/NAME-corpus FILE...
 *
 * Every file of the corpus, and every short beginning of it: a parser that reads behind the end of torn input
 * is caught by the sanitizers' build, one that crashes or hangs by any. The target gets a copy of exactly the
 * size, so that there is nothing behind it to read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, PREFIXES_MAX = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run_beginning(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int
run_file(const char *path, uint8_t *data)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    size_t size = fread(data, 1, FILE_MAX, file);
    int failed = ferror(file);
    fclose(file);
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    run_beginning(data, size);
    for (size_t end = 0; end < size && end < PREFIXES_MAX; end++)
        run_beginning(data, end);
    return 0;
}

int
main(int argc, char **argv)
{
    uint8_t *data = malloc(FILE_MAX);
    int failed = data == NULL || argc < 2;
    for (int i = 1; i < argc && data != NULL; i++)
        if (run_file(argv[i], data) < 0)
            failed = 1;
    free(data);
    return failed;
}
