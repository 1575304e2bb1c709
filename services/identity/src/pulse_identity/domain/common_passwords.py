"""The passwords that everybody tries first: some thousands, made from the words and habits that such lists are full of.

Ours: a short list of words, the tails that people put behind them, walks over the keyboard, repetitions and runs. All
in lower case and of eight characters or more; shorter ones are refused for their length anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

_LEAST_CHARS: Final = 8

_WORD_LIST: Final = """
    password passwort passw0rd p@ssw0rd p@ssword pa55word pass passcode letmein welcome willkommen hello hallo
    access admin administrator adm1n root toor login user guest gast test testing tester demo default changeme
    change secret geheim master superuser manager operator service support system server network internet computer
    laptop database oracle cisco windows linux ubuntu android iphone samsung google facebook twitter yahoo microsoft
    amazon apple qwerty qwertz azerty asdf asdfgh zxcvb abc abcd abcdef iloveyou loveyou love lovely baby angel
    princess prince queen king sunshine moonlight rainbow flower butterfly chocolate cookie cheese pepper ginger
    summer winter spring autumn sommer january february march april june july august september october november
    december monday tuesday wednesday thursday friday saturday sunday dragon monkey tiger lion eagle falcon phoenix
    panther shadow hunter ranger warrior ninja pirate wizard magic mustang ferrari porsche mercedes corvette yamaha
    harley football soccer baseball basketball hockey golf tennis liverpool arsenal chelsea barcelona juventus
    yankees lakers steelers cowboys michael michelle jennifer jessica jordan daniel thomas robert andrew anthony
    joshua matthew charlie george william david maria anna peter martin nicole ashley amanda samantha victoria
    elizabeth alexander alex sophie superman batman spiderman starwars pokemon matrix gandalf freedom whatever
    trustno1 nothing killer monster money diamond silver golden orange purple banana hottie snoopy maggie buster
    jesus heaven church america england london paris berlin germany france canada mexico brasil australia factory
    sensor telemetry gateway device mqtt iotdevice precision pulse precisionpulse dashboard industry industrial
    machine plant scada midnight
"""

_TAILS: Final = (
    "",
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "1!",
    "123!",
    "!",
    "!!",
    "@123",
    "#1",
    "01",
    "007",
    "69",
    "99",
    "00",
    "11",
    "111",
    "321",
    "666",
    "777",
    "2000",
    *(str(year) for year in range(2018, 2031)),
)
_WALKS: Final = (
    "1234567890",
    "0123456789",
    "87654321",
    "987654321",
    "1qazxsw2",
    "abcdefg1",
    "administ",
    "0987654321",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv",
    "qazwsxedcrfv",
    "1q2w3e4r5t6y7u8i",
    "q1w2e3r4t5y6",
    "abcdefghijklmnop",
    "a1b2c3d4e5f6",
    "zaq12wsxcde3",
    "147258369",
    "159357456",
    "741852963",
    "1234qwer",
    "qwer1234",
    "qwerasdf",
    "qwerasdfzxcv",
    "asdfqwer",
    "asdf1234",
    "abcd1234",
    "aabbccdd",
    "aaaabbbb",
    "11223344",
    "1122334455",
    "112233445566",
    "11112222",
    "12341234",
    "12344321",
    "13579246",
    "24681357",
    "31415926",
    "27182818",
    "qwerty12",
    "abc12345",
    "abc123456",
    "aa123456",
    "a1234567",
    "a12345678",
    "a123456789",
    "1password",
    "123password",
    "1234abcd",
    "12345qwert",
    "123qweasd",
    "123qweasdzxc",
    "q1w2e3r4",
    "zaq1zaq1",
    "letmeinnow",
    "letmeinplease",
    "opensesame",
    "rosebud1",
    "correcthorsebatterystaple",
    "changeit",
    "nopassword",
    "mypassword",
    "thepassword",
    "newpassword",
    "temppassword",
    "temporary",
    "incorrect",
    "iamthebest",
    "jesuschrist",
)
_BLOCKS: Final = (
    "12",
    "21",
    "ab",
    "xy",
    "123",
    "321",
    "abc",
    "xyz",
    "qwe",
    "asd",
    "1234",
    "test",
    "pass",
    "love",
    "admin",
)


@cache
def common_passwords() -> frozenset[str]:
    """Return all of them."""
    return frozenset(password for password in _made() if len(password) >= _LEAST_CHARS)


def _made() -> Iterator[str]:
    for word in _WORD_LIST.split():
        for tail in _TAILS:
            yield word + tail
        yield word * 2
        yield word[::-1]
    for walk in _WALKS:
        yield from (walk[:length] for length in range(_LEAST_CHARS, len(walk) + 1))
        yield walk + "1"
        yield walk + "!"
    for block in _BLOCKS:
        for length in range(_LEAST_CHARS, 17):
            yield (block * length)[:length]
    for digit in "0123456789":
        yield from (digit * length for length in range(_LEAST_CHARS, 13))
