"""What the rest of the process has fits what the admin API asks for."""

from pathlib import Path

from tests.dataplane.admin.desk import a_desk, a_route
from tests.support.loops import on_both_loops
from wsgate_dataplane.admin.parts import Catalogue, Inbox
from wsgate_dataplane.handshake import serving
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import RoutesFile


def test_the_handshakes_catalogue_can_be_listed() -> None:
    file = RoutesFile(3, "", (a_route(),), ())
    catalogue: Catalogue = serving.build_catalogue(file, serving.Catalogue(), Settings())
    assert catalogue.version == 3
    assert catalogue.servings["default/echo"].route == a_route()


@on_both_loops
async def test_the_journal_is_an_inbox(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        inbox: Inbox = desk.journal
        assert desk.parts.inbox is inbox
