/* exchange.h - connectors as Exchange 2000 and 2003 kept them in Active Directory: written and read as LDIF */
#ifndef VIADUCT_COMMANDS_EXCHANGE_H
#define VIADUCT_COMMANDS_EXCHANGE_H

#include "conf/conf.h"

/* Names that a new installation of Exchange gives. */
#define EXCHANGE_ORGANISATION "First Organization"
#define EXCHANGE_GROUP        "First Administrative Group"
#define EXCHANGE_ROUTING      "First Routing Group"

/* activationStyle, msExchDirsyncStyle; deliveryMechanism as it is believed to be of gateways. */
enum { EXCHANGE_NEVER, EXCHANGE_SELECTED, EXCHANGE_ALWAYS, EXCHANGE_REMOTE };
enum { EXCHANGE_DELIVERY = 2 };

/* Classes of connectors, and the connector type that does their work; type NULL: none of ours does. */
struct exchange_kind {
    const char *class, *type, *address_type;
    bool gateway; /* below mailGateway */
};
extern const struct exchange_kind exchange_kinds[];
extern const size_t exchange_kinds_n;
const struct exchange_kind *exchange_kind_of_type(const char *type);

/* msExchServer1AlwaysCreateAs of import.create-as, and back ("contact" for numbers that are none). */
int exchange_create_as(const char *word);
const char *exchange_create_word(int number);

/* Adds a connector as LDIF. */
void exchange_print(const struct conf *conf, const struct conf_connector *connector, struct buf *out);

/* Reads LDIF and adds configuration text that conf_read() takes, with comments for what has no counterpart; errors as lines
 * "NAME:LINE: text" to `errors`. Returns how many connectors it holds, or -errno where the file cannot be read. Hostile input:
 * what cannot be configuration is a comment, and memory is bounded by the file's objects. */
int exchange_read(int fd, const char *name, struct buf *out, struct buf *errors);

#endif
