"""A dozen points of the crash matrix, and a few kills at random; `make crash-test` does all.

The API, the worker or a command dies by SIGKILL between two steps of its own and is started again,
while LINE, an SMSC, a provider and the client's endpoint go on and keep books of what they got.
"""

from support.crash.matrix import Examiner
from support.crash.town import a_town

POINTS = (
    "after insert_accepted",
    "before answer a request",
    "after claim_due",
    "after call LINE with a message",
    "before move",
    "after deliver",
    "after call the client with reports",
    "after release",
    "after say_status",
    "before open_import",
    "after call the SMSC with an SMS",
    "before finish_sms",
    "before answer a pull",
)


async def test_whatever_dies_between_two_steps_each_message_ends_once() -> None:
    async with a_town() as town:
        examiner = Examiner(town, patience=6)
        await examiner.kill_at(POINTS, at_once=len(POINTS))
        result = await examiner.end()
        assert result.faults == []
        assert result.dead == []
        assert town.kills >= len(POINTS)
        assert result.audit is not None
        assert result.audit.accepted == sum(result.audit.ends.values())
