/* module_note.c - the note in a module's file (see module_note.h) */
#include "systems/module_note.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 64, NOTES_MAX = 16384 };

static const char note_name[8] = "viaduct";

static bool
read_at(int fd, void *into, size_t len, uint64_t at)
{
    return at <= INT_MAX && pread(fd, into, len, (off_t)at) == (ssize_t)len;
}

/* For this machine: as the program that asks. */
static bool
is_shared_object(int fd, ElfW(Ehdr) * head)
{
    ElfW(Ehdr) own;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool known = self >= 0 && read_at(self, &own, sizeof own, 0);
    if (self >= 0)
        close(self);
    return known && read_at(fd, head, sizeof *head, 0) && head->e_type == ET_DYN &&
           memcmp(head->e_ident, own.e_ident, EI_DATA + 1) == 0 && head->e_machine == own.e_machine &&
           head->e_phentsize == sizeof(ElfW(Phdr)) && head->e_phnum <= SEGMENTS_MAX;
}

static size_t
padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* Ours in a segment of notes; 0 where it is not there. */
static int
find_note(const unsigned char *at, size_t len)
{
    ElfW(Nhdr) head;
    while (len >= sizeof head) {
        memcpy(&head, at, sizeof head);
        size_t name = padded(head.n_namesz), data = padded(head.n_descsz);
        if (head.n_namesz > NOTES_MAX || head.n_descsz > NOTES_MAX || sizeof head + name + data > len)
            return 0;
        const unsigned char *name_at = at + sizeof head;
        uint32_t abi;
        if (head.n_namesz == sizeof note_name && memcmp(name_at, note_name, sizeof note_name) == 0 &&
            head.n_descsz == sizeof abi) {
            memcpy(&abi, name_at + name, sizeof abi);
            return abi <= INT_MAX ? (int)abi : 0;
        }
        at += sizeof head + name + data;
        len -= sizeof head + name + data;
    }
    return 0;
}

static int
abi_of_segment(int fd, const ElfW(Phdr) * segment)
{
    unsigned char notes[NOTES_MAX];
    if (segment->p_type != PT_NOTE || segment->p_filesz > sizeof notes ||
        !read_at(fd, notes, segment->p_filesz, segment->p_offset))
        return 0;
    return find_note(notes, segment->p_filesz);
}

static int
abi_of_file(int fd)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) segments[SEGMENTS_MAX];
    int abi = 0;
    if (!is_shared_object(fd, &head) || !read_at(fd, segments, head.e_phnum * sizeof *segments, head.e_phoff))
        return 0;
    for (size_t i = 0; abi == 0 && i < head.e_phnum; i++)
        abi = abi_of_segment(fd, &segments[i]);
    return abi;
}

int
module_note_abi(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int abi = abi_of_file(fd);
    close(fd);
    return abi > 0 ? abi : -EINVAL;
}
