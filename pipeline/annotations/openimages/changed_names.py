"""What classes were called in other versions of Open Images: names changed, MIDs did not."""

from __future__ import annotations

from typing import Final

VERSIONS: Final = ("V4", "V5 and V6", "V7")
"""The versions that name classes differently."""

CHANGED: Final = {
    "/m/013y1f": ("Organ", "Organ (Musical Instrument)", "Organ (Musical Instrument)"),
    "/m/015h_t": ("Human beard", "Human beard", "Beard"),
    "/m/018xm": ("Ball", "Ball", "Ball (Object)"),
    "/m/01d380": ("Drill", "Drill (Tool)", "Drill (Tool)"),
    "/m/01h44": ("Bat", "Bat (Animal)", "Bat (Animal)"),
    "/m/01r546": ("Earrings", "Earrings", "Earring"),
    "/m/0284d": ("Dairy", "Dairy Product", "Dairy Product"),
    "/m/02bm9n": ("Ratchet", "Ratchet (Device)", "Ratchet (Device)"),
    "/m/02rgn06": ("Volleyball", "Volleyball (Ball)", "Volleyball (Ball)"),
    "/m/02vqfm": ("Coffee", "Coffee", "Coffee (drink)"),
    "/m/0319l": ("Horn", "French horn", "French horn"),
    "/m/033cnk": ("Egg", "Egg (Food)", "Egg"),
    "/m/0449p": ("Jaguar", "Jaguar (Animal)", "Jaguar (Animal)"),
    "/m/04gth": ("Lavender", "Lavender (Plant)", "Lavender (Plant)"),
    "/m/054fyh": ("Pitcher", "Pitcher (Container)", "Pitcher (Container)"),
    "/m/054xkw": ("Lifejacket", "Personal flotation device", "Personal flotation device"),
    "/m/05bm6": ("Nail", "Nail (Construction)", "Nail (Construction)"),
    "/m/09k_b": ("Lemon", "Lemon", "Lemon (plant)"),
    "/m/0cjs7": ("Asparagus", "Garden Asparagus", "Garden Asparagus"),
    "/m/0cmf2": ("Airplane", "Airplane", "Fixed-wing aircraft"),
    "/m/0cyhj_": ("Orange", "Orange", "Orange (fruit)"),
    "/m/0dv77": ("Squash", "Squash (Plant)", "Squash (Plant)"),
    "/m/0ftb8": ("Sunflower", "Common sunflower", "Common sunflower"),
    "/m/0jy4k": ("Doughnut", "Donut", "Doughnut"),
    "/m/0xzly": ("Maracas", "Maracas", "Maraca"),
}
"""Of each boxable class whose name changed: what it is called in each of `VERSIONS`."""


def names(mid: str, name: str) -> dict[str, str]:
    """Return what a class is called in each of `VERSIONS`.

    Args:
        mid: of the class.
        name: its name in some version.
    """
    return dict(zip(VERSIONS, CHANGED.get(mid, (name,) * len(VERSIONS)), strict=True))
