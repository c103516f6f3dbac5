/* carrier.h - the folders of an API gateway, and the two carriers that work in them
 *
 *     root/ API_IN  ATT_IN    we write: header files, bodies and attachments
 *           API_OUT ATT_OUT   we read and remove
 *           GWPROB            we look for what the gateway refused
 *           GWHOLD            we look whether a name is in use
 *
 * Folders and files are found whatever the case of their names: gateways live on volumes that ignore it.
 * Folders are kept open; when one is gone (the share was lost) they are opened anew by path, at most once a
 * poll.
 *
 * What is hostile here: names and files that the other side, or anybody with access to its share, puts there.
 * Nothing is opened through a link, names with a path in them are refused, and only regular files are read.
 */
#ifndef VIADUCT_GWISE_CARRIER_H
#define VIADUCT_GWISE_CARRIER_H

#include <sys/stat.h>

#include "common/buf.h"
#include "systems/viaduct/reason.h"

extern const struct viaduct_inbound_ops gwise_inbound_ops;
extern const struct viaduct_outbound_ops gwise_outbound_ops;

/* Items as files beside the gateway's folders (files.c). */
extern const struct viaduct_files_ops gwise_files_ops;

enum gateway_folder { API_IN, ATT_IN, API_OUT, ATT_OUT, GWPROB, GWHOLD, GATEWAY_FOLDERS };

struct gateway_tree {
    const char *root;
    int fd[GATEWAY_FOLDERS]; /* -1: not open */
};

/* Opens the folders at `root`; API_IN to ATT_OUT must be there, the others are opened when they are. 0, or
 * -errno with the reason (4.4.1). */
int gateway_tree_open(struct gateway_tree *tree, const char *root, struct viaduct_reason *reason);
void gateway_tree_close(struct gateway_tree *tree);

/* False where a folder was removed or does not answer: what seems to be gone from it may not be. */
bool gateway_tree_alive(const struct gateway_tree *tree, enum gateway_folder folder);

/* A descriptor of GWPROB or GWHOLD, looked for again when it was not there; -1. */
int gateway_optional(struct gateway_tree *tree, enum gateway_folder folder);

/* True for a name that can only mean a file in its folder. */
bool gateway_name_fine(struct span name);

/* Finds a name in a folder, ASCII case ignored where it is not there as written. `found` gets it as it is on
 * disk. */
bool gateway_find(int folder_fd, struct span name, char found[256], struct stat *status);

/* Opens a regular file to read; -errno. */
int gateway_open_read(int folder_fd, const char *name, struct stat *status);

/* Reads at most `max` octets of a file. 0, or -errno. */
int gateway_read_file(int folder_fd, const char *name, size_t max, struct buf *out);

/* An option as milliseconds: "2s", "10m", "1h"; `fallback_s` where it is not set. */
int64_t gateway_option_ms(const struct viaduct_services *services, struct viaduct_gateway *gateway,
                          const char *name, int64_t fallback_s);

#endif
