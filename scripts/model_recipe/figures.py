"""How stored error rates are printed.  Needs neither torch nor vosk."""

KEY_PHRASES = ("công an", "thu hồi số thuê bao", "chuyển tiền")


def table(figures: dict[str, object]) -> str:
    """The figures as a Markdown table."""
    sets = figures["sets"]
    assert isinstance(sets, dict)
    lines = [
        "| set | clips | syllable error | tones ignored | "
        + " | ".join(KEY_PHRASES)
        + " | clips with a false alarm |",
        "|---|---|---|---|" + "---|" * len(KEY_PHRASES) + "---|",
    ]
    for name, of in sets.items():
        recall = [
            f"{of['phrases_found'].get(phrase, 0)}/{of['phrases_said'][phrase]}"
            if phrase in of["phrases_said"]
            else "–"
            for phrase in KEY_PHRASES
        ]
        lines.append(
            f"| {name} | {of['clips']} | {of['syllable_error']:.1%} | "
            f"{of['syllable_error_without_tone']:.1%} | {' | '.join(recall)} | "
            f"{of['clips_with_false_alarm']} |"
        )
    return "\n".join(lines)
