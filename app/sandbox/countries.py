"""Country codes as Kota's OpenAPI lists them, and the postal codes of the countries that hosts are likely to try."""

import re

COUNTRIES = frozenset(
    """
    ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz
    ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr
    ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it
    je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo
    mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py
    qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to
    tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw
    """.split()  # noqa: SIM905 - a list literal of 250 two-letter strings is nothing to read
)
COUNTRIES_WITH_STATES = frozenset({"us", "ca"})

_POSTAL_CODES = {
    country: re.compile(pattern, re.IGNORECASE | re.ASCII)
    for country, pattern in {
        "ca": r"[a-z]\d[a-z] ?\d[a-z]\d",
        "de": r"\d{5}",
        "es": r"\d{5}",
        "fr": r"\d{5}",
        "gb": r"[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}",
        "ie": r"[a-z]\d[\dw] ?[a-z\d]{4}",
        "it": r"\d{5}",
        "nl": r"\d{4} ?[a-z]{2}",
        "pl": r"\d{2}-\d{3}",
        "pt": r"\d{4}-\d{3}",
        "us": r"\d{5}(-\d{4})?",
    }.items()
}


def is_postal_code(value: str, *, country: str) -> bool:
    pattern = _POSTAL_CODES.get(country)
    return pattern is None or pattern.fullmatch(" ".join(value.split())) is not None
