/* conf-doc - prints what is generated from config.def: the manual page viaduct.conf(5), and the sample file
 *
 *     conf-doc manual > man/viaduct.conf.5
 *     conf-doc sample > conf/viaduct.conf.sample
 *
 * Called by make only; not installed.
 */
#include <stdio.h>

#include "conf/conf.h"

static const char manual_head[] =
    ".\\\" generated from conf/config.def by conf-doc\n"
    ".Dd November 25, 2026\n"
    ".Dt VIADUCT.CONF 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm viaduct.conf\n"
    ".Nd configuration of the viaduct mail connector\n"
    ".Sh DESCRIPTION\n"
    "The file tells\n"
    ".Xr viaduct 1\n"
    "which systems it connects and how.\n"
    "It is read when viaduct starts and at\n"
    ".Ql viaduct reload ,\n"
    "which keeps the old configuration when the new one has an error.\n"
    ".Ql viaduct check\n"
    "tells all errors with their files and lines,\n"
    ".Ql viaduct config show\n"
    "what is in force, and\n"
    ".Ql viaduct config explain Ar KEY\n"
    "what an option means.\n"
    ".Ss Syntax\n"
    "A file is a row of options and sections:\n"
    ".Bd -literal -offset indent\n"
    "name = \"value\"\n"
    "name = { \"first\", \"second\" }\n"
    "section { ... }\n"
    "section \"title\" { ... }\n"
    "include(\"file\")\n"
    ".Ed\n"
    ".Pp\n"
    "Line ends mean nothing, and nothing else separates options: a\n"
    ".Ql \\&;\n"
    "is an error.\n"
    "A\n"
    ".Ql #\n"
    "begins a comment up to the end of the line,\n"
    ".Ql /*\n"
    "one that ends with\n"
    ".Ql */ .\n"
    "An option may stand once in its section, and a title once among the sections of its name.\n"
    ".Pp\n"
    "Values stand in quotes; words of letters, digits and the signs - _ . : / @ % need none.\n"
    "A quoted text ends on its line.\n"
    "In double quotes, a backslash stands before a double quote, a backslash or a $ that is meant literally, "
    "and\n"
    "nowhere else; in single quotes, before a single quote or a backslash.\n"
    "Text is UTF-8.\n"
    "Environment variables are not read.\n"
    ".Ss Units\n"
    "A size is a number of bytes, or a number with K, M, G or T (1024, and so on).\n"
    "A time is a number of seconds, or a number with s, m, h, d or w.\n"
    ".Ss Files\n"
    "Names of files and folders that do not begin with a slash start at the folder of the file they stand in.\n"
    "A file with a secret (a key, a password) must not be open to others: only its owner, or root's group, may "
    "have\n"
    "any access to it.\n"
    ".Ss Includes\n"
    "What an included file holds stands in place of the include, in whichever section that is; a section must "
    "end in\n"
    "the file in which it begins.\n"
    "Includes nest up to 7 deep, and all files together have at most 4 MiB.\n"
    ".Sh OPTIONS\n";

static const char manual_tail[] = ".Sh FILES\n"
                                  ".Bl -tag -width Ds\n"
                                  ".It Pa /etc/viaduct/viaduct.conf\n"
                                  "The file that is read unless another is named.\n"
                                  ".El\n"
                                  ".Sh EXAMPLES\n"
                                  "A GroupWise system and its directory, in step with the host's every night:\n"
                                  ".Bd -literal -offset indent\n"
                                  "node = \"gw1\"\n"
                                  "\n"
                                  "host {\n"
                                  "    domains = { \"contoso.example\" }\n"
                                  "    smtp    { listen = { \"127.0.0.1:2525\" } }\n"
                                  "    deliver { to = { \"smtp://127.0.0.1:2526\" } }\n"
                                  "    directory \"ad\" { url = { \"ldaps://dc1.contoso.example/\" }\n"
                                  "                     bind-dn = \"CN=viaduct,DC=contoso,DC=example\"\n"
                                  "                     password-file = \"ad.password\"\n"
                                  "                     base = \"DC=contoso,DC=example\" }\n"
                                  "}\n"
                                  "\n"
                                  "connector \"groupwise\" {\n"
                                  "    type = \"gwise\"\n"
                                  "    peer { root = \"/mnt/gw/wpgate/api\" }\n"
                                  "    address-space { type = \"GWISE\"  pattern = \"*\" }\n"
                                  "    retry { first = \"1m\"  give-up = \"2d\" }\n"
                                  "}\n"
                                  "\n"
                                  "dirsync \"groupwise\" {\n"
                                  "    connector = \"groupwise\"  directory = \"ad\"\n"
                                  "    import { container = \"OU=GroupWise,DC=contoso,DC=example\" }\n"
                                  "    schedule = \"nightly\"\n"
                                  "}\n"
                                  "\n"
                                  "schedule \"nightly\" { at = { \"02:30\" } }\n"
                                  ".Ed\n"
                                  ".Sh SEE ALSO\n"
                                  ".Xr viaduct 1\n";

int
main(int argc, char **argv)
{
    struct buf out = {0};
    const char *what = argc == 2 ? argv[1] : "";
    if (span_equal(span_of(what), SPAN("manual"))) {
        buf_add_text(&out, manual_head);
        conf_print_manual(&out);
        buf_add_text(&out, manual_tail);
    } else if (span_equal(span_of(what), SPAN("sample"))) {
        conf_print_sample(&out);
    } else {
        fputs("usage: conf-doc manual|sample\n", stderr);
        return 2;
    }
    bool written = fwrite(out.at, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_clear(&out);
    return written ? 0 : 1;
}
