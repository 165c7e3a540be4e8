"""The SMPP transport: keeps a session bound, hands texts over, passes receipts on."""

import asyncio
import contextlib
import os
import socket
import ssl
from dataclasses import dataclass, field
from datetime import timedelta

import smpp34
import structlog

from linegate.clock import Clock
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.transport import OnReceipts, Submission, Submitted
from linegate.resolver import Resolver
from linegate.silence import bear_silence
from linegate.sms.pace import Pace
from linegate.sms.segments import count_parts
from linegate.sms.smpp.answers import OK, TEMPORARY, is_throttle, outcome_of
from linegate.sms.smpp.pdu import submit_bodies
from linegate.sms.smpp.receipt import id_key, is_receipt, read_receipt
from linegate.sms.smpp.session import Answered, Lost, NotSent, Session, SubmitResult

__all__ = ["SmppOptions", "SmppTransport"]

_log = structlog.get_logger()
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=60)
_CONNECT = 10.0  # seconds
_MOST_SLOWDOWNS = 5  # of one part, before its message goes back to the queue


@dataclass(frozen=True, slots=True)
class SmppOptions:
    """How to reach an SMSC.

    window:           submits under way at once.
    throughput:       parts a second; 0: as fast as the window allows.
    enquire_every:    seconds of silence between two enquire_link.
    response_timeout: seconds until an unanswered submit counts as unknown.
    in_payload:       long texts as `message_payload` and not as parts with a header.
    ca_file:          PEM file of certificates trusted besides the system's.
    """

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    tls: bool = False
    system_type: str = ""
    window: int = 10
    throughput: float = 0
    enquire_every: float = 30
    response_timeout: float = 30
    in_payload: bool = False
    ca_file: str = ""


class SmppTransport:
    """One route's session. `run` binds it again whenever it is lost."""

    def __init__(
        self, options: SmppOptions, clock: Clock, on_receipts: OnReceipts, *, name: str = "smpp"
    ) -> None:
        """Hand receipts to `on_receipts`; `name` is the route's in logs."""
        self._options = options
        self._clock = clock
        self._on_receipts = on_receipts
        self._name = name
        self._resolver = Resolver()
        self._session: Session | None = None
        self._pace = Pace(options.throughput)
        self._in_hand = 0  # parts of submissions under way
        self._trouble = "not connected yet"

    @property
    def is_up(self) -> bool:
        """Whether the session is bound."""
        return self._session is not None

    @property
    def trouble(self) -> str:
        """Why it is not bound."""
        return "" if self._session else self._trouble

    @property
    def unanswered(self) -> int:
        """How many requests were written and wait for an answer."""
        return 0 if self._session is None else self._session.unanswered

    def places(self) -> int:
        """Free places in the window, as far as the pace allows."""
        if self._session is None:
            return 0
        most = self._options.window - self._in_hand
        return self._pace.places(max(0, most), self._clock.now())

    async def run(self) -> None:
        """Bind, and bind again 1 to 60 s after a loss, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            was_bound = await self._one_session()
            pause = _FIRST_PAUSE if was_bound else pause
            await self._clock.sleep_until(self._clock.now() + pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def submit(self, submission: Submission) -> Submitted:
        """Hand a text over in as many parts as it takes.

        Its outcome is that of its worst part: what is refused ends the message, what is unknown
        may not be repeated lightly, what is surely unsent may.
        """
        bodies = submit_bodies(submission, in_payload=self._options.in_payload)
        self._in_hand += len(bodies)
        try:
            parts = (self._submit_part(body, len(bodies)) for body in bodies)
            results = await asyncio.gather(*parts)
        finally:
            self._in_hand -= len(bodies)
        ids = tuple(
            id_key(each.message_id)
            for each in results
            if isinstance(each, Answered) and each.status == OK and each.message_id
        )
        outcome = min((_outcome(each) for each in results), key=_gravity)
        return Submitted(outcome, ids, count_parts(submission.text))

    async def _submit_part(self, body: bytes, parts: int) -> SubmitResult:
        """Hand one part over. Of a text in several parts one that is told to slow down is repeated
        here: repeating the message would repeat the parts that were taken.
        """
        slowdowns = 0
        while True:
            await self._clock.sleep_until(self._pace.turn(self._clock.now()))
            session = self._session
            if session is None:
                return NotSent(self._trouble)
            result = await session.submit(body)
            if not isinstance(result, Answered):
                return result
            if not is_throttle(result.status):
                self._pace.went_well()
                return result
            self._pace.slow(self._clock.now())
            slowdowns += 1
            if parts == 1 or slowdowns > _MOST_SLOWDOWNS:
                return result

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first of the SMSC's addresses that takes one. Raises: OSError."""
        options = self._options
        failure = OSError(f"{options.host} has no address")
        name = options.host if options.tls else None
        for found in await self._resolver.resolve(options.host, options.port, socket.AF_UNSPEC):
            try:
                reader, writer = await asyncio.open_connection(
                    found["host"], found["port"], ssl=_tls(options), server_hostname=name
                )
            except OSError as error:
                failure = error
            else:
                bear_silence(writer.get_extra_info("socket"), options.response_timeout)
                return reader, writer
        raise failure

    async def _one_session(self) -> bool:
        """Connect, bind and stay until the end; gives whether it was bound."""
        options = self._options
        try:
            async with asyncio.timeout(_CONNECT):
                reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self._went_down(f"cannot connect: {_words_of(error)}")
            return False
        session = Session(
            reader,
            writer,
            window=options.window,
            enquire_every=options.enquire_every,
            response_timeout=options.response_timeout,
            deliver=self._deliver,
        )
        try:
            bound = await session.bind(options.system_id, options.password, options.system_type)
            if isinstance(bound, Lost) or bound.status != OK:
                self._went_down(bound.why if isinstance(bound, Lost) else _refusal(bound))
                return False
            self._session = session
            _log.info("sms_route.up", route=self._name)
            running = asyncio.create_task(session.run())
            try:
                self._went_down(await asyncio.shield(running))
            except asyncio.CancelledError:
                self._session = None
                await session.unbind()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                raise
            return True
        finally:
            self._session = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _went_down(self, why: str) -> None:
        self._session = None
        self._trouble = why[:200]
        _log.warning("sms_route.down", route=self._name, reason=self._trouble)

    async def _deliver(self, delivery: smpp34.DeliverSm) -> int:
        """Keep a receipt; gives the status to answer with."""
        if not is_receipt(delivery):
            return OK  # from a phone: taken, and nobody here reads it
        receipt = read_receipt(delivery)
        if receipt is None:
            _log.warning("sms_receipt.unreadable", route=self._name)
            return OK
        return OK if await self._on_receipts([receipt]) else TEMPORARY


def _words_of(error: OSError | TimeoutError) -> str:
    """What the system says, without numbers and addresses where it has words of its own."""
    is_named = isinstance(error, ssl.SSLError | socket.gaierror)  # their numbers are others
    if not is_named and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def _refusal(bound: Answered) -> str:
    return f"the SMSC refuses the bind: {outcome_of(bound.status).detail}"


def _outcome(result: SubmitResult) -> Outcome:
    match result:
        case Answered():
            return outcome_of(result.status)
        case Lost():
            return Outcome(OutcomeKind.UNKNOWN, error=502, detail=result.why[:200])
        case NotSent():
            return Outcome(OutcomeKind.UNSENT, error=4097, detail=result.why[:200])


_GRAVITY = (
    OutcomeKind.REFUSED,
    OutcomeKind.UNAUTHORISED,
    OutcomeKind.UNKNOWN,
    OutcomeKind.SLOWED,
    OutcomeKind.UNSENT,
    OutcomeKind.ACCEPTED,
)


def _gravity(outcome: Outcome) -> int:
    return _GRAVITY.index(outcome.kind)


def _tls(options: SmppOptions) -> ssl.SSLContext | None:
    if not options.tls:
        return None
    context = ssl.create_default_context()
    if options.ca_file:
        context.load_verify_locations(options.ca_file)
    return context
