"""The page docs/explanation/performance.md: every figure on it is the run's, where it does not say otherwise."""

import statistics
from collections.abc import Iterable

from .record import SUBJECT, Record
from .report import costs, is_met, latencies, rates, ratios, summary, table
from .scenarios import TARGETS

COMMAND = "python -m wsgate_bench.publish RESULTS.json"
NOTICE = f"<!-- Made by `{COMMAND}`; run the benchmark again or change wsgate_bench/page.py, then run that. -->"

INTRO = """\
What does wsgate cost beside other proxies, and what does a client feel of it? One run on one machine; its
figures are from [performance.json](performance.json), which holds every sample, but where it says that they
were measured apart. Your machine will have others: what should carry over is the ratios."""

PEERS = """\
* `wsgate` verifies an RS256 token a session, limits the size of messages and the rate of messages and bytes (no
  limit is ever reached), and writes a log line for each session. The other proxies keep no log of access.
* `wsgate-plain` verifies the token; it limits nothing but the size of messages, as it does by default.
* `nginx`, `haproxy`: one worker, default buffers; they pass the handshake and then bytes, and look at no token.
* `envoy`: one worker; `jwt_authn` verifies the same token by the same JWKS, its cache of verified tokens
  switched on.
* `aiohttp-proxy`: a plain proxy in Python that decodes and encodes each message; it looks at no token.
* `direct`: no proxy; the figures are the upstream's own, and bound what the harness can see."""

METHOD = """\
* Client, peer and upstream share the machine's CPUs, nothing is pinned. All processes are started anew for each
  repeat, and the peers take turns within a measure; latencies are taken in the first five repeats only, idle
  sessions in the first two. All have the same upstream, an echo server on picows.
* **CPU** is user and system time of the peer's processes before and after. **Memory** is their anonymous memory
  (`Pss_Anon`); socket buffers in the kernel are not in it.
* A **handshake** is one session that opens and closes at once, 16 at a time. With a *new* token none was seen
  before; with the *same* token all sessions show one that has been verified already, which is where a cache
  helps.
* **Latency** is taken by a picows client in open loop. It first finds the most that the peer echoes over 64
  connections, each sending when its reply is there; then it sends at half of that rate, a few at once every
  quarter of a millisecond, whatever the replies do. A latency counts from when the message was *due*, so a
  stall of the peer shows in all messages that fell into it, and the client's own lateness is in the figure too:
  `direct` shows how much that is. The first half second does not count.
* **Beside handshakes**: a second process opens and closes sessions with new tokens meanwhile, each when it is
  due.
* A measurement counts only if every message came back unchanged and every handshake ended in 101.
* Cells are the median of the repeats with the least and the most. Ratios are formed within each repeat, since
  what slowed the machine for a minute slowed both. The charts' lines are least to most. A difference smaller
  than the spread is none."""

REPEAT = """\
```
make bench        # also fetches HAProxy where there is none; the report is Markdown on stdout
PYTHONPATH=benchmarks .venv/bin/python -m wsgate_bench --json results.json
PYTHONPATH=benchmarks .venv/bin/python -m wsgate_bench.publish results.json   # writes this page and its charts
```

[benchmarks](../../benchmarks/README.md) says what each measure does in detail, and how to ask for some only."""


def page(record: Record) -> str:
    """The whole page in Markdown; raises StatisticsError when a figure that it tells of was not measured."""
    facts = [*record.machine.facts(), f"{record.plan.repeats} repeats"]
    parts = [
        "# Performance",
        NOTICE,
        INTRO,
        "\n".join(f"* {fact}" for fact in facts),
        f"## Targets\n\n{_targets(record)}",
        "## Messages\n\n![CPU for each message round trip](performance-messages.svg)",
        "## Handshakes\n\n![CPU for each handshake](performance-handshakes.svg)",
        "## Idle sessions\n\n![Memory of an idle session](performance-memory.svg)",
        f"{latencies(record)}\n\n![Latency of a 64 B echo](performance-latency.svg)",
        f"## What was learned\n\n{_lessons(record)}",
        f"## How it is measured\n\n{PEERS}\n\n{METHOD}",
        f"## Do it yourself\n\n{REPEAT}",
        costs(record),
        rates(record),
        ratios(record),
    ]
    return "\n\n".join(parts) + "\n"


def _targets(record: Record) -> str:
    headings = {scenario.name: scenario.heading for scenario in record.plan.scenarios}
    rows = []
    for target in TARGETS:
        values = record.ratios(target.scenario, target.against)
        verdict = "met" if is_met(values, target.limit) else "**missed**"
        measured = summary(values, 2)
        rows.append(
            [headings[target.scenario], f"{SUBJECT} / {target.against}", str(target.limit), measured, verdict]
        )
    words = "With everything switched on; lower is better for wsgate."
    return f"{words}\n\n{table(['', 'ratio', 'at most', 'measured', ''], rows)}"


def _lessons(record: Record) -> str:
    return "\n".join(f"* {lesson}" for lesson in _each_lesson(record))


def _each_lesson(record: Record) -> Iterable[str]:
    """Why the figures are as they are; the figures themselves come from the run."""

    def ratio(scenario: str, rival: str) -> str:
        return f"{statistics.median(record.ratios(scenario, rival)):.2f}"

    def cost(scenario: str, peer: str) -> str:
        return f"{statistics.median(record.costs(scenario, peer)):.0f}"

    dearer = 1 / statistics.median(record.ratios("64B-w1", "aiohttp-proxy"))
    yield (
        "**Messages.** Whoever moves bytes pays for system calls, and those are the same for all: with one "
        f"message in flight wsgate costs {ratio('64B-w1', 'nginx')} times nginx, "
        f"{ratio('64B-w1', 'haproxy')} times HAProxy and {ratio('64B-w1', 'envoy')} times Envoy; the proxy that "
        f"decodes messages costs {dearer:.1f} times wsgate. Where many small messages arrive in one read, "
        "little of the kernel is left for each, and what Python does for a frame's header shows: "
        f"{ratio('64B-w16', 'nginx')} times nginx."
    )
    yield (
        "**Large messages.** nginx moves them through a buffer of 4 KiB, which is what makes it dear there: "
        f"wsgate, which reads as much as there is, costs {ratio('64KiB-w4', 'nginx')} times nginx and "
        f"{ratio('64KiB-w4', 'envoy')} times Envoy."
    )
    yield (
        "**Limits.** Counting every message against sizes and rates costs "
        f"{ratio('64B-w1', 'wsgate-plain')} times the plain route with one message in flight and "
        f"{ratio('64B-w16', 'wsgate-plain')} times with sixteen."
    )
    yield (
        f"**Idle sessions.** {cost('idle', 'wsgate')} KiB each, {ratio('idle', 'nginx')} times nginx: no task, no "
        "request and no parser outlives the handshake. HAProxy, which takes buffers from a pool only while bytes "
        f"move, is at {cost('idle', 'haproxy')} KiB."
    )
    yield (
        f"**Handshakes** are where Python shows: {cost('handshake', 'wsgate')} µs with a new token, beside "
        f"{cost('handshake', 'envoy')} µs of Envoy, which verifies the same signature, and "
        f"{cost('handshake', 'nginx')} µs of nginx, nearly all of it the kernel's for two connections. The same "
        f"token again costs {cost('handshake-cached', 'wsgate')} µs, so the signature is the smaller part. The "
        "rest is spread thin over reading the head, the checks, the dial, the log and the end of the session. "
        "What is said and counted of a session's end is told of many at once, and what "
        "the session held is let go of by hand, since the garbage collector would have to search for it. Size "
        "pods for the moment when all clients reconnect by the rate of handshakes below, and for all else by "
        "messages."
    )
    yield (
        "**Where to look.** Times on a shared machine wander by a fifth, so pieces were compared by instructions "
        "(callgrind), which do not. What could be spared: a log line's JSON, counters with a lock each, "
        "members of enumerations looked up in their class, fields of pydantic models and of named tuples, and "
        "code that ran for two classes in turn: all of these the interpreter cannot specialise. What is left "
        "costs by how much it touches rather than by how much it does: between the others a piece takes several "
        "times as long as alone, since the processor's caches have lost it meanwhile."
    )
    yield (
        "**The interpreter.** How it was built matters more to a handshake than its version. Measured apart, in "
        "40 turns of 400 handshakes (± 0.02), and beside a plain 3.11 in a shared library: Debian's 3.11 and "
        "3.13, which are linked into their program, took 0.85 and 0.87, Debian's 3.14 took 0.92, and 3.13 built "
        "as the official image's, in a shared library with profile and link-time optimisation, 0.93. So an image "
        "whose `BASE` has Debian's own Python is the cheaper one. Huge pages for the heap, pinned CPUs, and "
        "libuv without io_uring changed nothing that could be told from noise; nor did leaving out the limits, a "
        "sixteenth of all that the interpreter does in a handshake."
    )
    yield (
        "**Handshakes beside messages.** One process does both, so messages wait for handshakes that are under "
        "way: compare the two halves of the chart. More pods with fewer sessions each shorten it."
    )
