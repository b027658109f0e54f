"""A small English grammar that makes tens of thousands of simple sentences. No text of others is needed."""

import re

import numpy as np

GRAMMAR = {
    "S": [
        "THE_PERSON PAST THE_THING PLACE",
        "THE_PERSON PAST THE_THING PLACE TIME",
        "TIME THE_PERSON PAST THE_THING PLACE",
        "in SEASON the NATURE DOES PLACE",
        "have you seen the ADJ THING that THE_PERSON left PLACE",
        "please put the ADJ THING PLACE and bring me the COLOUR THING",
        "NUMBER ADJ THINGS and NUMBER COLOUR THINGS were found PLACE",
        "nobody knew why THE_PERSON PAST THE_THING TIME",
        "if the NATURE DOES TIME, THE_PERSON will MEND the THING",
        "THE_PERSON and THE_PERSON MENDED the ADJ THING PLACE",
        "why did THE_PERSON MEND the ADJ THING PLACE",
        "the THING was ADJ, but the THING beside it was COLOUR and ADJ",
        "we need NUMBER more THINGS before THE_PERSON MENDED the THING",
        "it took NUMBER hours to carry the ADJ THINGS PLACE",
        "my ADJ_P PERSON says that the NATURE DOES PLACE",
        "call the PERSON at NUMBER NUMBER NUMBER NUMBER TIME",
    ],
    "THE_PERSON": ["the ADJ_P PERSON", "the PERSON", "our PERSON", "a ADJ_P PERSON", "her PERSON", "his ADJ_P PERSON"],
    "THE_THING": ["the ADJ THING", "NUMBER COLOUR THINGS", "his ADJ THING", "her COLOUR THING", "the ADJ COLOUR THING"],
    "PERSON": [
        "teacher", "sailor", "baker", "doctor", "neighbour", "farmer", "painter", "driver", "cousin", "gardener",
        "waiter", "judge", "soldier", "musician", "student", "captain", "nurse", "writer", "plumber", "shepherd",
    ],
    "ADJ_P": [
        "young", "quiet", "cheerful", "tired", "famous", "careful", "hungry", "patient", "brave", "lazy", "polite",
        "stubborn", "clever", "lonely",
    ],
    "PAST": [
        "carried", "painted", "forgot", "bought", "sold", "found", "washed", "borrowed", "broke", "opened", "hid",
        "dropped", "measured", "admired", "fixed", "counted", "wanted", "pushed", "lost", "chose",
    ],
    "MEND": ["mend", "paint", "open", "sell", "move", "watch", "choose", "borrow", "shake", "throw away"],
    "MENDED": ["mended", "painted", "opened", "sold", "moved", "watched", "chose", "borrowed", "shook", "threw away"],
    "THING": [
        "basket", "window", "letter", "bottle", "ladder", "coat", "guitar", "table", "kettle", "map", "bicycle",
        "mirror", "blanket", "hammer", "picture", "lamp", "ship", "door", "book", "clock", "piano", "fence", "jacket",
        "suitcase",
    ],
    "THINGS": [
        "baskets", "windows", "letters", "bottles", "ladders", "coats", "oranges", "tables", "kettles", "maps",
        "wheels", "mirrors", "blankets", "hammers", "pictures", "lamps", "boats", "boxes", "books", "clocks", "shoes",
        "cherries", "jars", "stamps",
    ],
    "ADJ": [
        "old", "heavy", "broken", "small", "shiny", "wooden", "strange", "cheap", "enormous", "narrow", "dusty",
        "useful", "round", "warm", "empty", "beautiful", "sharp", "thin",
    ],
    "COLOUR": ["red", "green", "yellow", "blue", "purple", "grey", "brown", "white", "black", "orange", "pink"],
    "NUMBER": [
        "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen",
        "twenty", "thirty", "forty",
    ],
    "PLACE": [
        "behind the church", "under the bridge", "in the kitchen", "near the harbour", "at the station",
        "on the roof", "beside the river", "in a quiet village", "across the street", "above the garage",
        "by the old mill", "in the middle of the field", "outside the theatre", "along the northern coast",
        "at the edge of the forest", "on the third floor",
    ],
    "TIME": [
        "yesterday", "this morning", "before breakfast", "late at night", "on Thursday", "last weekend",
        "after the storm", "every evening", "at half past four", "in the early afternoon", "in January",
        "a week ago", "during the holidays",
    ],
    "SEASON": ["spring", "summer", "autumn", "winter"],
    "NATURE": ["wind", "rain", "river", "snow", "fog", "sun", "thunder", "moon", "sea", "grass"],
    "DOES": ["changes quickly", "looks grey", "returns", "stays for weeks", "frightens the birds", "seems much closer"],
}  # fmt: skip

SYMBOL = re.compile("|".join(sorted(GRAMMAR, key=len, reverse=True)))


def sentence(rng: np.random.Generator) -> str:
    """Draw a sentence, for example: Have you seen the dusty clock that our baker left on the roof."""
    text = "S"
    while match := SYMBOL.search(text):
        choices = GRAMMAR[match.group()]
        text = text[: match.start()] + choices[rng.integers(len(choices))] + text[match.end() :]
    text = re.sub(r"\ba ([aeiou])", r"an \1", text)
    return text[0].upper() + text[1:] + "."
