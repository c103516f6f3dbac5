#!/usr/bin/python3
"""Mail is sent in its hours: outside of them it waits, and the lights say so; it goes when they come."""
import json
import os
import time

import rig
from clockwork import ENV, folder, set_clock
from rig import BUILD, Sink, Viaduct, done, is_, like, message, ok, send, smtp_pair, until

A, DAY = "anna@contoso.example", 86400
rig.BUILD = folder

def set_time(hour, minute):
    """The next such moment; what the programs take for their time only goes forward."""
    now = time.time() + at[0]
    at[0] += (hour * 3600 + minute * 60 - now) % DAY
    set_clock(int(at[0]))


def lights():
    rows = rows_by_clock("connector", "list")
    return {row["name"]: (row["light"], row.get("why")) for row in rows}


def rows_by_clock(*args):
    said = viaduct.command(*args, "--json", env=dict(os.environ, VIADUCT_LIBEXECDIR=BUILD, **ENV))[1]
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def to_all(subject):
    """One message for each of the three, and what of it waits."""
    for name in ("night", "silent", "branch"):
        ok(send(port, A, "x@%s.example" % name, message(A, "x@%s.example" % name, subject)).startswith("250"), "mail for %s is taken: %s" % (name, subject))
    branch.wait(1, lambda m: m.header("Subject") == subject, what=subject + " for who has no hours")
    return until(lambda: len(waiting_for("night")) + len(night_sink.mails) == len(all_sent) and len(waiting_for("silent")) == len(all_sent), "it is where it belongs")


def waiting_for(name):
    return viaduct.names("mailbox/%s/MTS-OUT" % name)


at, all_sent = [0.0], []
host, branch, night_sink, silent_sink = (Sink() for _ in range(4))
port, _, conf = smtp_pair(host, branch)
ENV["TZ"] = "UTC0"
HOURS = """connector "%s" {
    type = "smtp"
    schedule = "%s"
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@%s.example" cost = 1 }
}
"""
hours = (conf + HOURS % ("night", "nights", night_sink.port, "night") + HOURS % ("silent", "never", silent_sink.port, "silent") +
         'schedule "nights" { during = { "22:00-06:00" } }\n')
viaduct = Viaduct(hours)
set_time(12, 0)
viaduct.start(env=ENV)
viaduct.wait_log("by=outbound-gateway/night .*its schedule .*nights.* is closed", name="a gateway says that its hours have not come")
all_sent.append("at noon")
to_all("at noon")
is_((night_sink.mails, len(waiting_for("night"))), ([], 1), "outside of its hours mail waits")
shown = lights()
is_([shown[n][0] for n in ("host", "branch", "night", "silent")], ["up", "up", "resting", "resting"], "the lights say who rests")
is_(shown["night"][1], 'its schedule "nights" is closed: nothing is sent now', "and why")
like(viaduct.command("status", env=dict(os.environ, VIADUCT_LIBEXECDIR=BUILD, **ENV))[1], r"night +smtp +resting.*its schedule .nights. is closed", "so does status")
set_time(22, 0)
night_sink.one(lambda m: m.header("Subject") == "at noon", what="what waited, when the hours have come")
viaduct.wait_log("by=outbound-gateway/night .*its schedule .*nights.* is open", name="which the log says")
is_(lights()["night"][0], "up", "and the light is green")
all_sent.append("in the evening")
to_all("in the evening")
night_sink.one(lambda m: m.header("Subject") == "in the evening", what="what comes within its hours")
set_time(5, 59)
all_sent.append("before six")
to_all("before six")
night_sink.one(lambda m: m.header("Subject") == "before six", what="what comes in the last minute of a window that goes past midnight")
set_time(6, 0)
viaduct.wait_log("its schedule .*nights.* is closed", 2, name="its hours end")
all_sent.append("at breakfast")
to_all("at breakfast")
is_(([m.header("Subject") for m in night_sink.mails], len(waiting_for("night"))), (["at noon", "in the evening", "before six"], 1), "behind them mail waits again")
is_((silent_sink.mails, len(waiting_for("silent"))), ([], 4), "never is never")
viaduct.reload(hours.replace('"never"', '"always"').replace('"nights"\n', '"always"\n'))
silent_sink.wait(4, what="what waited, when the schedule is always")
night_sink.wait(4, what="here too")
viaduct.wait_empty()
is_(viaduct.stop(), 0, "it stops in order")
done()
