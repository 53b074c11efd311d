"""An SVG of one network: what it did, what delay each receiver had and what it made up, over time."""
from score import FIRST, LAST

WIDTH, HEIGHT, MARGIN = 900, 150, 60
COLOURS = {"talkbridge": "#1b7837", "talkbridge, patient": "#762a83", "chromium": "#d95f02"}


def _panel(top, title, unit, highest, bars, lines, dots):
    def x(second):
        return MARGIN + (second - FIRST) / (LAST - FIRST) * (WIDTH - 2 * MARGIN)

    def y(value):
        return top + HEIGHT * (1 - min(max(value / highest, 0), 1))
    parts = [f'<text x="{MARGIN}" y="{top - 8}" font-weight="bold">{title}</text>',
             f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{HEIGHT}" fill="none" stroke="#999"/>']
    for step in range(5):
        value = highest * step / 4
        parts.append(f'<text x="{MARGIN - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g} {unit if step == 4 else ""}</text>')
        parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#eee"/>')
    for second in range(FIRST, LAST + 1, 10):
        parts.append(f'<text x="{x(second):.1f}" y="{top + HEIGHT + 14}" text-anchor="middle">{second} s</text>')
    parts += [f'<rect x="{x(second):.1f}" y="{y(value):.1f}" width="{x(1) - x(0):.1f}" height="{top + HEIGHT - y(value):.1f}" '
              f'fill="#bbb"/>' for second, value in bars]
    for colour, dash, points in lines:
        path = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in points if FIRST <= second <= LAST)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2" stroke-dasharray="{dash}"/>')
    parts += [f'<circle cx="{x(second + .5):.1f}" cy="{y(value):.1f}" r="2.2" fill="{colour}"/>' for colour, points in dots
              for second, value in points]
    return parts


def plot(path, network, plan, scores):
    """`scores`: by receiver, what score.score gave. Dots are delays as counted by `delay`, dashed lines what was aimed at."""
    lost = [(second, 100 * sum(delay is None for delay in plan[50 * second:50 * second + 50]) / 50)
            for second in range(FIRST, LAST)]
    slowest = max([value for score in scores.values() for _, value in score["pieces"]] + [40])
    made_up = {name: [(at, share) for at, _, share in score["figures"]] for name, score in scores.items()}
    most = max([share for points in made_up.values() for at, share in points if FIRST <= at <= LAST] +
               [value for _, value in lost] + [4])
    parts = [f'<text x="{MARGIN}" y="24" font-size="16">{network.name}</text>']
    for index, name in enumerate(scores):
        parts.append(f'<text x="{MARGIN + 260 + 190 * index}" y="24" fill="{COLOURS.get(name, "#333")}">● {name}</text>')
    parts += _panel(60, "delay (dots), delay aimed at (dashes)", "ms", 20 * (slowest // 20 + 1), [],
                    [(COLOURS.get(name, "#333"), "5 3", [(at, target) for at, target, _ in score["figures"]])
                     for name, score in scores.items()],
                    [(COLOURS.get(name, "#333"), score["pieces"]) for name, score in scores.items()])
    parts += _panel(260, "lost packets (grey), sound made up (lines)", "%", 4 * (most // 4 + 1), lost,
                    [(COLOURS.get(name, "#333"), "none", points) for name, points in made_up.items()], [])
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 440" font-family="sans-serif" font-size="11">'
                   f'<rect width="{WIDTH}" height="440" fill="white"/>{"".join(parts)}</svg>\n')
