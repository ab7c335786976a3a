"""What a browser runs on, in three kinds: as much as a comparison of groups needs, and too little to know anybody by."""


def device_kind(user_agent: str) -> str:
    """`phone`, `tablet` or `computer`, by what browsers write of themselves.

    Source   MDN, Browser detection using the user agent: `Mobi` for phones, `Tablet`, `iPad` or Android without `Mobi` for tablets
    """
    if "iPad" in user_agent or "Tablet" in user_agent or ("Android" in user_agent and "Mobi" not in user_agent):
        return "tablet"
    return "phone" if "Mobi" in user_agent else "computer"
