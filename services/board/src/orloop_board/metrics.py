"""The board's metrics."""

from orloop_common.runtime.metrics import counter, gauge, histogram

SNAPSHOTS = counter("orloop_board_snapshots_total", "Snapshots that differed from the one before.", ["suite"])
SCREENS = gauge("orloop_board_screens", "Screens that are connected to the stream of snapshots.", ["role"])
RENDER_SECONDS = histogram("orloop_board_render_seconds", "Time to work out and render one snapshot.")
COMMANDS = counter(
    "orloop_board_commands_total", "Decisions and reports sent on, by kind and how they ended.", ["kind", "result"]
)
STALE = gauge("orloop_board_stale", "1 while the board says that its feed is stale.", ["suite"])
REFUSED_AT_DOOR = counter("orloop_board_refused_total", "Requests refused before anything was shown.", ["reason"])
