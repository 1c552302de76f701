"""`attune feedback`: what a user says of a search, which holds in the session at once."""

from enum import StrEnum
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.search.v1.search_pb2 import FEEDBACK_SOURCE_PERSON, FEEDBACK_SOURCE_SIMULATED, SubmitFeedbackRequest
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json
from attune.services.client.feedback import feedback as made


class Saying(StrEnum):
    """What is said."""

    RELEVANT = "relevant"
    IRRELEVANT = "irrelevant"
    PIN = "pin"
    REJECT = "reject"
    CLEAR = "clear"
    NOT_ABOUT = "not-about"
    WRONG = "wrong"


_PLACEMENTS = {Saying.PIN: "pinned", Saying.REJECT: "rejected", Saying.CLEAR: "none"}
_OF_A_VERDICT = {Saying.RELEVANT, Saying.IRRELEVANT}


def feedback(  # noqa: PLR0913 - one parameter an option
    saying: Annotated[Saying, typer.Argument(help="relevant and irrelevant judge; the others correct the session.")],
    what: Annotated[str, typer.Argument(help="A document's id; for not-about an entity's; for wrong, the words.")],
    *,
    user: Annotated[str, typer.Option("--user", "-u", help="Who says so.")],
    session: Annotated[str, typer.Option(help="The visit that a correction holds in, as in `attune search`.")] = "",
    instead: Annotated[str, typer.Option(help="For wrong: what to search for in place of these words.")] = "",
    of_document: Annotated[
        bool, typer.Option("--of-document", help="For not-about: the argument is a document, whose subject is meant.")
    ] = False,
    query_id: Annotated[str, typer.Option(help="The search that this is about.")] = "",
    hit_token: Annotated[str, typer.Option(help="The hit's token, so that a ranker can learn from it.")] = "",
    simulated: Annotated[
        bool, typer.Option("--simulated", help="A program plays the user: nothing is learned from it.")
    ] = False,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Judge a result, or correct a search: it holds in the session at once, and is learned from.

    Example: attune feedback reject csv.reader --user ada --session s1
    """
    with told_plainly():
        request = _request(saying, what, user, session, instead, of_document=of_document)
        request.query_id, request.hit_token = query_id, hit_token
        request.source = FEEDBACK_SOURCE_SIMULATED if simulated else FEEDBACK_SOURCE_PERSON
        with connect(token) as client:
            answer = client.submit_feedback(request)
    if as_json:
        print_json(as_dict(answer))
        return
    learned = "it is learned from" if answer.recorded else "nothing is learned from it"
    holds = f"holds in session {session}" if answer.in_session else "changes nothing in the session"
    console.print(f"{saying} {what}: {holds}, and {learned}", markup=False)


def _request(
    saying: Saying, what: str, user: str, session: str, instead: str, *, of_document: bool
) -> SubmitFeedbackRequest:
    if instead and saying is not Saying.WRONG:
        raise SettingError("--instead: is for words that are wrong: attune feedback wrong WORDS --instead WORDS")
    if saying in _OF_A_VERDICT:
        return made(user, session=session, document=what, verdict=saying.value)
    if saying in _PLACEMENTS:
        return made(user, session=session, document=what, placement=_PLACEMENTS[saying])
    if saying is Saying.WRONG:
        return made(user, session=session, part=what, replacement=instead)
    if of_document:
        return made(user, session=session, document=what, not_about=[])
    return made(user, session=session, not_about=[what])
