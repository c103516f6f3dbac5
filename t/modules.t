#!/usr/bin/python3
"""Systems that are built elsewhere: the master, who is root, runs none of their code; a module that is missing stops nobody else."""
import os
import re
import subprocess

from rig import ROOT, TOP, Sink, Viaduct, done, is_, like, message, note, ok, private_folder, send, smtp_pair, until

# The constructor runs in whoever loads the module, and writes down who that is.
SOURCE = """
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "systems/viaduct/system.h"
const struct viaduct_system *viaduct_system_entry(void);
__attribute__((constructor)) static void tell(void)
{
    char who[400] = "", line[500];
    int fd = open("/proc/self/cmdline", O_RDONLY), n = (int)read(fd, who, sizeof who - 1);
    for (int i = 0; i < n; i++)
        who[i] = who[i] == 0 ? ' ' : who[i];
    close(fd);
    n = snprintf(line, sizeof line, "uid=%d %s\\n", (int)geteuid(), who);
    fd = open(TOLD, O_WRONLY | O_APPEND);
    if (write(fd, line, (size_t)n) != n)
        _exit(9);
    close(fd);
}
#ifdef HAS_PARTS
static int prepare(const struct viaduct_services *s, struct viaduct_gateway *g, void **state, struct viaduct_reason *r)
{
    (void)s, (void)r;
    *state = g;
    return 0;
}
static int begin(void *state, struct viaduct_reason *r) { (void)state, (void)r; return 0; }
static enum viaduct_converted convert(const struct viaduct_convert_in *in, const struct viaduct_convert_out *out,
                                      struct viaduct_reason *r)
{
    (void)in, (void)out, (void)r;
    return VIADUCT_CONVERT_BAD;
}
static const struct viaduct_inbound_ops in = {.size = sizeof in, .prepare = prepare, .begin = begin};
static const struct viaduct_convert_ops conv = {.size = sizeof conv, .to_foreign = convert};
#endif
static const struct viaduct_system zz = {.size = sizeof zz, .abi = VIADUCT_SYSTEM_ABI, .name = NAME, .address_type = "ZZ",
#ifdef HAS_PARTS
    .inbound = &in, .convert = &conv
#endif
};
const struct viaduct_system *viaduct_system_entry(void) { return &zz; }
"""
modules = private_folder()
told = os.path.join(modules, "told")
open(told, "w").close()
os.chmod(told, 0o666)
with open(os.path.join(modules, "zz.c"), "w") as f:
    f.write(SOURCE)


def build(name, *flags):
    subprocess.run(["cc", "-std=gnu11", "-shared", "-fPIC", "-I" + TOP, '-DNAME="%s"' % name, '-DTOLD="%s"' % told] + list(flags) +
                   ["-o", os.path.join(modules, name + ".so.new"), os.path.join(modules, "zz.c")], check=True)
    os.rename(os.path.join(modules, name + ".so.new"), os.path.join(modules, name + ".so"))


build("zzbare")
build("zzparts", "-DHAS_PARTS")
build("zzlate")
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)
for name in ("zzbare", "zzparts", "zzlate"):
    conf += """connector "%s" {
    type = "%s"
    address-space { type = "ZZ" pattern = "%s*" cost = 1 }
}
""" % (name, name, name)
WANTED = {"outbound-gateway-zzbare", "outbound-gateway-zzparts", "inbound-gateway-zzparts", "outbound-converter-zzparts"}


def workers():
    return {name: w for name, w in viaduct.master()[1].items() if "zz" in name and "zzlate" not in name and w["state"] != "ending"}


def state_of(name):
    return viaduct.master()[1].get(name, {}).get("state")


def settled():
    return set(workers()) == WANTED and all(w["state"] == "running" for w in workers().values())


def loaders():
    with open(told) as f:
        return f.read().splitlines()


viaduct = Viaduct(conf, head='modules = "%s"\n' % modules)
viaduct.start()
ok(until(settled, "its workers run"), "a module's workers run: those it has parts for, and no others")
note(sorted(viaduct.master()[1]))
viaduct.wait_log("ended, since there is nothing to do", 4, name="the others say that there is nothing for them to do")
ok(until(lambda: len(loaders()) >= 8, "the modules are loaded"), "each of them has loaded it")
like(send(port, "anna@contoso.example", "bob@branch.example", message()), "^250", "other connectors work")
branch.one()
like(viaduct.command("connector", "show", "zzbare")[1], r"up", "a connector of one direction is not red for want of the other")

# ---- a module that goes away ----

os.unlink(os.path.join(modules, "zzlate.so"))
os.kill(int(viaduct.master()[1]["outbound-gateway-zzlate"]["pid"]), 9)
viaduct.wait_log('no module for the system .*zzlate', name="a module that is missing is named in the log")
until(lambda: state_of("outbound-gateway-zzlate") == "waiting", "its gateway waits to be started again")
like(viaduct.command("status")[1], r'zzlate +zzlate +down.*no module for the system "zzlate"', "and in status, in red")
build("zzlate")
until(lambda: state_of("outbound-gateway-zzlate") == "running" and
      "inbound-gateway-zzlate" not in viaduct.master()[1], "it starts", 60)
ok("inbound-gateway-zzlate" not in viaduct.master()[1], "put there, it is used without a reload")

# ---- a reload ----

before = len(loaders())
viaduct.reload(conf)
ok(until(settled, "its workers run") and until(lambda: len(loaders()) > before, "loaded"), "after a reload the same workers run")
is_([line for line in loaders() if "viaduct-master" in line], [], "the master has loaded none of them")
uids = sorted({re.match(r"uid=(\d+)", line).group(1) for line in loaders()})
ok(uids and (not ROOT or "0" not in uids), "nobody who did was root" + ("" if ROOT else " # SKIP only root has users for workers"))
is_(viaduct.stop(), 0, "it stops in order")
done()
