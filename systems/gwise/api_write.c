/* api_write.c - the writer of API header files (see api_write.h) */
#include "systems/gwise/api_write.h"

void
api_escape(struct buf *out, struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if ((unsigned char)c < ' ' || c == 0x7f)
            c = ' ';
        if (c == ';' || c == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, c);
    }
}

void
api_put(struct buf *out, const char *key, struct span value)
{
    buf_printf(out, "%s= ", key);
    api_escape(out, value);
    buf_add_text(out, "; \r\n");
}

void
api_put_raw(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s= %s; \r\n", key, value);
}

void
api_list_begin(struct api_list *list, struct buf *out, const char *key)
{
    *list = (struct api_list){.out = out};
    buf_printf(out, "%s= \r\n", key);
}

/* What stands before an element: the ',' behind the one before, on its last line. */
static void
next_element(struct api_list *list)
{
    if (list->n++ > 0)
        buf_add_text(list->out, " , \r\n");
}

static void
put_member(struct api_list *list, const char *key, struct span value, bool last)
{
    buf_printf(list->out, "    %s= ", key);
    api_escape(list->out, value);
    buf_add_text(list->out, last ? "; " : "; \r\n");
}

void
api_put_address(struct api_list *list, struct span domain, struct span office, struct span user,
                struct span token)
{
    next_element(list);
    put_member(list, "WPD", domain, false);
    put_member(list, "WPPO", office, false);
    put_member(list, "WPU", user, token.len == 0);
    if (token.len > 0)
        put_member(list, "CDBA", token, true);
}

void
api_put_file(struct api_list *list, const char *current, struct span original, uint64_t bytes)
{
    next_element(list);
    buf_printf(list->out, "    Current-File= %s; \r\n", current);
    put_member(list, "Original-File", original, bytes == 0);
    if (bytes > 0)
        buf_printf(list->out, "    Size= %llu; ", (unsigned long long)bytes);
}

void
api_list_end(struct api_list *list)
{
    BUG_UNLESS(list->n > 0);
    buf_add_text(list->out, " ; \r\n");
}
