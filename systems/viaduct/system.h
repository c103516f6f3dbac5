/* system.h - the development kit: what a module for a foreign system gives, and what it gets
 *
 * Exchange called it the EDK, a kit to write connectors with. All that differs between foreign systems lives in
 * one module per system behind this header, which is installed with the package (viaduct.pc), so that somebody
 * else's system can be a shared object built outside this tree: NAME.so in the modules folder, with one
 * exported function
 *
 *     const struct viaduct_system *viaduct_system_entry(void);
 *
 * Every struct begins with its size as its author compiled it, and the module with the ABI number: members are
 * only ever added at the end, and what a struct is too short to hold counts as not there. A module calls
 * nothing of viaduct's but the functions in `struct viaduct_services`.
 *
 * A module is loaded by the gateways and converters of its connectors, each a process under a user of its own, and by commands
 * that ask it (`viaduct connector test`, `viaduct address`); never by the master. A worker that the module has nothing for ends
 * for good.
 *
 * A module gives, each optional but its name and address type:
 *
 *   addresses    parse, print, compare: no state, may be called anywhere
 *   transfer     non-blocking state machines on the gateway's loop, called only in carriers: processes that
 * hold the network or the foreign folders and never parse a body conversion   synchronous, called only in
 * converters: processes that see nothing but their folders, forked per small batch, with limits on time and
 * memory directory    read and write cursors (called only in dirsync; ABI 1 reserves the place)
 *
 * The life of a message in a module's hands
 *
 *   inbound      intake_new() -> intake_add()... -> intake_commit(): `done` says whether it is durable; only
 * then the module may tell its peer so (SMTP's 250) or remove the foreign file (or name it to intake_commit(),
 * which removes it at the right moment). outbound     the gateway calls deliver() with a `struct
 * viaduct_delivery`; the module reads its body, transfers it, reports each recipient by recipient_result(), and
 * ends with delivery_end(). It may keep as many at a time as it was told by `concurrency`.
 *
 * Strings passed to a module live until the call returns, those of a delivery until delivery_end().
 */
#ifndef VIADUCT_SYSTEM_H
#define VIADUCT_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIADUCT_SYSTEM_ABI 1

/* An ELF note that tells which ABI a module was compiled for: whoever must not run its code reads that, not the struct. */
static const struct {
    uint32_t name_bytes, abi_bytes, type;
    char name[8];
    uint32_t abi;
} viaduct_system_note
    __attribute__((used, section(".note.viaduct"), aligned(4))) = {8, 4, 1, "viaduct", VIADUCT_SYSTEM_ABI};

struct event_base;
struct viaduct_services;
struct viaduct_gateway; /* the process the module runs in; opaque */
struct viaduct_intake;  /* a message on its way in; opaque */

struct viaduct_text {
    const char *at;
    size_t len;
};

/* Why something failed: an enhanced status code (RFC 3463) and words for a person. */
struct viaduct_reason {
    char status[12];
    char text[500];
};

/* NOTIFY of RFC 3461 as a sum; 0: not given. */
enum {
    VIADUCT_NOTIFY_NEVER = 1,
    VIADUCT_NOTIFY_SUCCESS = 2,
    VIADUCT_NOTIFY_FAILURE = 4,
    VIADUCT_NOTIFY_DELAY = 8
};

/* ---- in ---- */

/* The envelope of an incoming message. Addresses are in the system's own form and type; the gateway translates.
 */
struct viaduct_envelope_in {
    size_t size;
    struct viaduct_text originator; /* empty: null reverse-path */
    struct viaduct_text ret, envid; /* as in SMTP, xtext kept */
    bool smtputf8;
    struct viaduct_text client, helo, protocol; /* for Received; may be empty */
    struct viaduct_text foreign_id;
    struct viaduct_text
        connector; /* whose mail it is, where one listener serves several; empty: the gateway's */
};

struct viaduct_recipient_in {
    size_t size;
    struct viaduct_text address;
    unsigned notify;
    struct viaduct_text orcpt, display;
    int kind; /* 1 To, 2 Cc, 3 Bcc */
};

/* ---- out ---- */

struct viaduct_recipient_out {
    struct viaduct_text address;  /* translated, in the system's form */
    struct viaduct_text original; /* in host form */
    struct viaduct_text display;
    struct viaduct_text orcpt;
    unsigned notify;
    int kind;
    bool responsible; /* false: only for display, not to be delivered */
};

enum viaduct_outcome {
    VIADUCT_TAKEN,   /* the other side took it and sends further reports itself (or none was asked for) */
    VIADUCT_RELAYED, /* took it, but sends no reports: a success report is ours to make where asked for */
    VIADUCT_REFUSED, /* will never take it */
    VIADUCT_LATER    /* not now */
};

struct viaduct_delivery {
    size_t size;
    const char *id;                 /* queue id */
    struct viaduct_text originator; /* translated; empty: null reverse-path */
    struct viaduct_text ret, envid;
    bool smtputf8, body_8bit; /* what the message needs of the peer */
    const struct viaduct_recipient_out *recipients;
    size_t n_recipients;
    uint64_t bytes;      /* of the body, with LF line ends */
    uint64_t lines_hint; /* lines, 0 where not known: wire size is bytes + lines */
    bool converted;      /* comes from ReadyOut: the body is the converter's item */
    int64_t arrival_ms;
    void *module;  /* the module's own */
    void *gateway; /* the gateway's own */
};

/* ---- what a module may call ---- */

enum viaduct_log_level { VIADUCT_LOG_ERROR = 1, VIADUCT_LOG_INFO = 3, VIADUCT_LOG_DETAIL = 5 };

struct viaduct_services {
    size_t size;

    /* The loop (libevent) that the module's state machines run on. */
    struct event_base *(*loop)(struct viaduct_gateway *);

    /* The connector's name ("host" for the host), and an option of its section as text: "peer.to", "tls.mode",
     * "limits.message"; lists have one element a line; NULL where not set. Valid until the gateway ends. */
    const char *(*connector)(struct viaduct_gateway *);
    const char *(*option)(struct viaduct_gateway *, const char *name);
    /* For modules built with viaduct: the configuration itself (struct conf_root *, struct conf_connector * or
     * NULL). */
    const void *(*conf_root)(struct viaduct_gateway *);
    const void *(*conf_connector)(struct viaduct_gateway *);

    void (*say)(struct viaduct_gateway *, enum viaduct_log_level, const char *id, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

    /* A listening socket for an address of the configuration (opened by the master); -errno with reason. */
    int (*listener)(struct viaduct_gateway *, const char *address, struct viaduct_reason *);

    /* True while nothing may be taken in: spool full, held and refusing, or ending; `reason` says it
     * (4.3.1, 4.3.2). */
    bool (*closed)(struct viaduct_gateway *, struct viaduct_reason *);

    /* True when the gateway is asked to end: finish what is begun, begin nothing. */
    bool (*ending)(struct viaduct_gateway *);

    /* May this recipient be accepted from this system? 0; -1 refused (5.1.1, 5.7.1, ...); -2 not now (4.x).
     * `connector`: as in viaduct_envelope_in. */
    int (*recipient_check)(struct viaduct_gateway *, struct viaduct_text connector, struct viaduct_text address,
                           struct viaduct_reason *);

    /* A message on its way in. Returns NULL with reason. Recipients are translated here; the module has asked
     * recipient_check() for each. A Received field, and Date and Message-ID where they are missing, are added.
     */
    struct viaduct_intake *(*intake_new)(struct viaduct_gateway *, const struct viaduct_envelope_in *,
                                         const struct viaduct_recipient_in *, size_t n,
                                         struct viaduct_reason *);
    /* Body bytes with LF line ends, in any pieces. -errno when it cannot be written (disk full): drop it and
     * refuse. */
    int (*intake_add)(struct viaduct_intake *, const void *bytes, size_t len);
    /* The message is whole. `remove_path` (may be NULL): a foreign file, relative to `remove_fd`, that is
     * removed when the copy is durable. done(arg, 0) or done(arg, -errno, reason); the intake is gone then. */
    void (*intake_commit)(struct viaduct_intake *, int remove_fd, const char *remove_path,
                          void (*done)(void *arg, int result, const struct viaduct_reason *), void *arg);
    void (*intake_drop)(struct viaduct_intake *);
    const char *(*intake_id)(const struct viaduct_intake *);
    uint64_t (*intake_bytes)(const struct viaduct_intake *);

    /* An item fetched for the converter: a file in ReadyIn, written like a message (intake_add), without
     * envelope. */
    struct viaduct_intake *(*fetch_new)(struct viaduct_gateway *, struct viaduct_reason *);

    /* Outbound. body_read: up to `size` bytes from `offset`; 0 at the end, where the whole body's checksum was
     * right; negative: damaged or unreadable; the transfer must be broken off without its end being sent.
     * Offsets must ascend; 0 begins anew, where the body is sent a second time. */
    ssize_t (*body_read)(struct viaduct_delivery *, uint64_t offset, void *bytes, size_t size);
    /* The result for one recipient, before delivery_end(); given twice, the second stands. `remote`: "dns;
     * mx.example", or NULL. */
    void (*recipient_result)(struct viaduct_delivery *, size_t index, enum viaduct_outcome,
                             const struct viaduct_reason *, const char *remote);
    /* The transfer is over; the delivery is gone. Recipients without a result are VIADUCT_LATER. `unreachable`:
     * no next hop took the connection: an outage of the connector, not of the message. */
    void (*delivery_end)(struct viaduct_delivery *, bool unreachable, const struct viaduct_reason *);
    /* The peer cannot take the body as it is (`need` is "7bit" or "ascii-addresses"): it goes to the converter.
     */
    void (*delivery_convert)(struct viaduct_delivery *, const char *need);
    /* A connection to the peer works: after an outage everything deferred becomes due, with a slow start. */
    void (*reachable)(struct viaduct_gateway *);
    /* Counts sessions: +1 / -1 open, `failed` a connection that failed. */
    void (*count_connection)(struct viaduct_gateway *, bool inbound, int delta, bool failed);

    /* The gateways's own name ("gw1.contoso.example") and the time of the snapshot. */
    const char *(*node)(struct viaduct_gateway *);

    /* Converters only, NULL in carriers: what shall be known of a message when it has left the spool, under a key that
     * the other side hands back (1 to 1,000 octets; the value up to 16 KiB). Durable on return: 0, or -errno with
     * reason. */
    int (*remember)(struct viaduct_gateway *, struct viaduct_text key, struct viaduct_text value,
                    struct viaduct_reason *);
    /* 1 and the newest value under the key (valid until the next call), where one was kept within `convert.keep`; 0: none;
     * -errno: not to be read now. */
    int (*recall)(struct viaduct_gateway *, struct viaduct_text key, struct viaduct_text *value);

    /* Outbound. The delivery is handed over and only waits, perhaps long, for what the other side makes of it: a crash meanwhile is not
     * its fault, and after one nobody else waits for it. delivery_end() follows as ever. */
    void (*delivery_waits)(struct viaduct_delivery *);
};

/* ---- what a module gives ---- */

struct viaduct_address_ops {
    size_t size;
    /* 0 where `value` is a well-formed address of the type; -1 with reason. */
    int (*check)(struct viaduct_text value, struct viaduct_reason *);
    /* Whether two addresses are the same; NULL: without ASCII case. */
    bool (*equal)(struct viaduct_text a, struct viaduct_text b);
};

struct viaduct_inbound_ops {
    size_t size;
    /* Called before the sandbox closes: listeners, keys, folders. 0, or -1 with reason. `*state` is handed
     * back. */
    int (*prepare)(const struct viaduct_services *, struct viaduct_gateway *, void **state,
                   struct viaduct_reason *);
    /* Called in the sandbox when mail may be taken. */
    int (*begin)(void *state, struct viaduct_reason *);
    void (*tick)(void *state); /* about once a second */
    void (*drain)(void *state);
    bool (*busy)(void *state);
    void (*finish)(void *state);
    /* Recovery, between prepare() and begin(): the foreign file that was named to intake_commit() as
     * `remove_path` is already ours; it is removed where it is there still and has this inode. May be NULL. */
    void (*forget)(void *state, const char *remove_path, uint64_t inode);
};

struct viaduct_outbound_ops {
    size_t size;
    int (*prepare)(const struct viaduct_services *, struct viaduct_gateway *, void **state,
                   struct viaduct_reason *);
    int (*begin)(void *state, struct viaduct_reason *);
    /* Takes a delivery; it must end with delivery_end() or delivery_convert() sometime. */
    void (*deliver)(void *state, struct viaduct_delivery *);
    void (*tick)(void *state);
    void (*drain)(void *state); /* close what is idle */
    bool (*busy)(void *state);
    void (*finish)(void *state);
    /* `connector test`: connect, look, move no mail; answers in words, a line each. 0 or -1. */
    int (*test)(void *state, void (*line)(void *arg, const char *text), void *arg);
    /* How many deliveries may be in the module's hands at the same time, where that is more than
     * `limits.concurrency` gives: for systems where a message waits long and costs little. 0: as that says. */
    unsigned in_hand;
};

/* One part of an item, read by converters. */
struct viaduct_convert_in {
    size_t size;
    struct viaduct_gateway *gateway;
    const struct viaduct_services *services;
    const char *id;
    const char *need;                       /* what delivery_convert() asked for, or "" */
    const struct viaduct_delivery *message; /* to foreign: envelope as translated; NULL from foreign */
    /* The item's bytes; pread semantics. */
    ssize_t (*read)(void *arg, uint64_t offset, void *bytes, size_t size);
    void *arg;
    uint64_t bytes;
    /* Translates an address of the header: role "listed". The answer lives until the next call. */
    struct viaduct_text (*translate)(void *arg, struct viaduct_text address, bool outwards,
                                     struct viaduct_text *display);
};

struct viaduct_convert_out {
    size_t size;
    /* The result's bytes. To foreign: the module's own container. From foreign: an RFC 5322 message with LF
     * line ends. */
    int (*write)(void *arg, const void *bytes, size_t len);
    /* From foreign, before the first write: the envelope. */
    int (*envelope)(void *arg, const struct viaduct_envelope_in *, const struct viaduct_recipient_in *,
                    size_t n);
    /* What was lost or changed, a line each; kept with the message. */
    void (*report)(void *arg, const char *line);
    void *arg;
    /* A signature of the message no longer holds, since the result is not what was signed: one line, kept like those
     * of report(), and logged and tracked (UNSIGN) as well. */
    void (*broken)(void *arg, const char *line);
    /* From foreign: octets, in the module's own container, of an item that goes back to the system in answer; to be followed
     * by VIADUCT_CONVERT_ANSWERED. 0, or -errno. */
    int (*answer)(void *arg, const void *bytes, size_t len);
};

enum viaduct_converted {
    VIADUCT_CONVERTED,
    VIADUCT_CONVERT_REFUSED,   /* can never be expressed on the other side: a report */
    VIADUCT_CONVERT_DIRECTORY, /* from foreign: no mail, but an answer of the directory: DirIn */
    VIADUCT_CONVERT_BAD,       /* not understood: Badmail */
    VIADUCT_CONVERT_NOTHING, /* from foreign: understood, and nobody is to get anything: removed, the reason logged */
    VIADUCT_CONVERT_ANSWERED /* from foreign: a question, whose answer goes back (answer()); removed */
};

struct viaduct_convert_ops {
    size_t size;
    enum viaduct_converted (*to_foreign)(const struct viaduct_convert_in *, const struct viaduct_convert_out *,
                                         struct viaduct_reason *);
    enum viaduct_converted (*from_foreign)(const struct viaduct_convert_in *,
                                           const struct viaduct_convert_out *, struct viaduct_reason *);
};

/* What a container becomes on disk: each file is begun by file(), then come its octets, and where it is text what a person
 * sees of it. Each returns 0, or -errno, which ends it. */
struct viaduct_files_out {
    size_t size;
    int (*file)(void *arg, const char *what, const char *name); /* "header", "body" or "file"; a plain name */
    int (*data)(void *arg, const void *bytes, size_t len);
    int (*shown)(void *arg, const void *bytes, size_t len); /* UTF-8, LF line ends */
    void *arg;
};

/* Items as files in a folder, apart from the road: for a person who asks what becomes of one (`viaduct convert`). Called in a
 * child that has a converter's limits. */
struct viaduct_files_ops {
    size_t size;
    /* Makes the container that a carrier would of the item whose main file lies at `path`, with the files it names from where
     * the system leaves them. 0, or -1 with reason. */
    int (*gather)(const struct viaduct_services *, struct viaduct_gateway *, const char *path,
                  int (*write)(void *arg, const void *bytes, size_t len), void *arg, struct viaduct_reason *);
    /* The files that a carrier would make of a container (`in` reads it). 0, or -1 with reason. */
    int (*spread)(const struct viaduct_convert_in *in, const struct viaduct_files_out *,
                  struct viaduct_reason *);
};

struct viaduct_system {
    size_t size;
    unsigned abi;             /* VIADUCT_SYSTEM_ABI */
    const char *name;         /* "gwise": the connector's type */
    const char *address_type; /* "GWISE" */
    const char *version;
    bool always_convert; /* every message passes the converters; else only where delivery_convert() asks */
    const struct viaduct_address_ops *address;
    const struct viaduct_inbound_ops *inbound;
    const struct viaduct_outbound_ops *outbound;
    const struct viaduct_convert_ops *convert;
    const void *directory; /* reserved in ABI 1 */
    const struct viaduct_files_ops *files;
};

#ifdef __cplusplus
}
#endif

#endif
