import asyncio

from callout.serve.turns import HURRIED, LEAST, MOST, TURN, Turns, piece_after


class Busy:
    def __init__(self, name: str, left: int, turns: Turns, seen: list[str]) -> None:
        self.name, self.left, self.turns, self.seen = name, left, turns, seen

    def turn(self) -> None:
        self.seen.append(self.name)
        self.left -= 1
        if self.left:
            self.turns.add(self)


async def test_turns_go_round_and_others_are_served_between_any_two() -> None:
    seen: list[str] = []
    loop = asyncio.get_running_loop()
    turns = Turns(loop, lambda: 0.0)  # the others take no time
    for name in "abc":
        turns.add(Busy(name, 3, turns, seen))

    def other() -> None:
        seen.append("-")
        if len(seen) < 40:
            loop.call_soon(other)

    loop.call_soon(other)
    for _ in range(40):
        await asyncio.sleep(0)
    said = "".join(seen)
    assert said.replace("-", "") == "abcabcabc"
    assert "-".join("abcabcabc") in said


async def test_turns_take_as_long_as_the_others_do_and_no_longer() -> None:
    now = 0.0
    seen: list[str] = []
    loop = asyncio.get_running_loop()
    turns = Turns(loop, lambda: now)

    class Working(Busy):
        def turn(self) -> None:
            nonlocal now
            now += TURN
            super().turn()

    for name in "abcdef":
        turns.add(Working(name, 3, turns, seen))

    def other() -> None:
        nonlocal now
        now += 4 * TURN
        seen.append("-")
        if len(seen) < 30:
            loop.call_soon(other)

    await asyncio.sleep(0)
    loop.call_soon(other)
    for _ in range(40):
        await asyncio.sleep(0)
    first, *rounds = [each for each in "".join(seen).split("-") if each]
    assert first == "ab"  # one by one: nobody else had worked
    assert "".join([first, *rounds]) == "abcdef" * 3
    assert {len(each) for each in rounds[:-1]} == {4}


async def test_who_waits_already_does_not_wait_twice() -> None:
    seen: list[str] = []
    turns = Turns(asyncio.get_running_loop())
    one = Busy("a", 1, turns, seen)
    turns.add(one)
    turns.add(one)
    for _ in range(5):
        await asyncio.sleep(0)
    assert seen == ["a"]


def test_a_piece_becomes_what_takes_a_turn() -> None:
    for turn in (TURN, HURRIED):
        assert piece_after(8192, turn * 1.1, turn) == 4096
        assert piece_after(8192, turn / 3, turn) == 16384
        assert piece_after(8192, turn * 0.8, turn) == 8192
        assert piece_after(LEAST, 1.0, turn) == LEAST
        assert piece_after(MOST, 0.0, turn) == MOST
