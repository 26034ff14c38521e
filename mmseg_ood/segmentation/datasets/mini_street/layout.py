"""Where everything stands: draws camera, cross-section and the things of one scene."""

from dataclasses import dataclass

import numpy as np

from .buildings import House
from .camera import Camera
from .classes import FENCE, WALL
from .furniture import Barrier, Clutter, Post
from .ground import GroundPainter, Side, Street
from .noise import pick
from .people import Pedestrian, TwoWheeler
from .vegetation import Hedge, Plant
from .vehicles import Vehicle
from .weather import Weather

FAR = 120.0  # depth beyond which nothing is placed


@dataclass
class Layout:
    """Everything that stands in a scene.

    Args:
        camera: The camera.
        street: Cross-section and crossings.
        things: Objects with ``order`` and ``draw``, unsorted.
        urban: Share of the surroundings that is built, 0 to 1.
        bonnet: Whether the car's own bonnet is in the picture.
    """

    camera: Camera
    street: Street
    things: list
    urban: float
    bonnet: bool


def draw_camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    """Draw a camera behind a windscreen and the bend of the street ahead of it."""
    bend = 0.0 if rng.random() < 0.45 else rng.uniform(0.0004, 0.0026) * rng.choice([-1, 1])
    return Camera(
        width=width,
        height=height,
        focal=width * rng.uniform(0.78, 1.05),
        center_x=width * rng.uniform(0.4, 0.6),
        horizon=height * rng.uniform(0.36, 0.47),
        eye=rng.uniform(1.3, 1.75),
        bend=float(bend),
    )


def draw_street(rng: np.random.Generator) -> Street:
    """Draw lanes, pavements, what lines them, and crossing streets."""
    kind = pick(rng, ['urban', 'suburb', 'park', 'works', 'mixed'], [0.36, 0.24, 0.12, 0.1, 0.18])
    lane = rng.uniform(2.9, 3.6)
    oncoming, forward = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    sides = []
    for sign, count in ((-1, oncoming), (1, forward)):
        district = kind if kind != 'mixed' else pick(rng, ['urban', 'suburb', 'park', 'works'])
        parking = district in ('urban', 'suburb') and rng.random() < 0.65
        road = (0.5 + count if sign < 0 else count - 0.5) * lane + 2.1 * parking
        if sign < 0 and rng.random() < 0.12:  # one-way street
            road = 0.5 * lane + 2.1 * parking
        walk = road + (rng.uniform(1.6, 4.5) if district != 'park' or rng.random() < 0.5 else 0.0)
        gap = {
            'urban': rng.uniform(0, 0.4),
            'suburb': rng.uniform(0.3, 3),
            'park': rng.uniform(1, 6),
            'works': rng.uniform(0.0, 2.0),
        }[district]
        sides.append(Side(road=road, walk=walk, front=walk + gap, district=district, parking=parking))
    lanes = [-0.5 * lane] + [0.5 * lane] * (forward == 2) + [-1.5 * lane] * (oncoming == 2)
    street = Street(*sides, lanes=lanes)
    if rng.random() < 0.4:
        near = rng.uniform(13, 45)
        street.crossings.append((near, near + rng.uniform(6, 11)))
        if rng.random() < 0.5:
            street.zebras.append((near - 5.5, near - 2.5))
    elif rng.random() < 0.25:
        near = rng.uniform(8, 25)
        street.zebras.append((near, near + rng.uniform(2.5, 4)))
    if rng.random() < 0.25:
        street.rails = [-0.5 * lane - 1.5] if oncoming == 1 else [-lane, -1.9 * lane]
    return street


def draw_layout(rng: np.random.Generator, width: int, height: int) -> Layout:
    """Draw one scene."""
    camera, street = draw_camera(rng, width, height), draw_street(rng)
    things = []
    for sign in (-1, 1):
        district = street.side(sign).district
        things += {'urban': _urban, 'suburb': _suburb, 'park': _park, 'works': _works}[district](street, sign, rng)
        things += _posts(street, sign, rng)
        things += _walkers(street, sign, rng)
        things += _parked(street, sign, rng)
    things += _traffic(street, rng)
    urban = np.mean([street.side(sign).district in ('urban', 'works') for sign in (-1, 1)])
    return Layout(camera, street, things, 0.25 + 0.6 * float(urban), bonnet=rng.random() < 0.35)


def _stretches(
    street: Street, start: float, stop: float, rng: np.random.Generator, low: float, high: float, gap: float = 0.0
):
    """Consecutive (near, far) stretches along the street that leave crossing streets open."""
    z = start
    while z < stop:
        length = rng.uniform(low, high)
        for near, far in street.crossings:
            if z < near < z + length:
                length = near - z
            if near - 0.5 <= z < far:
                z, length = far, 0.0
        if length > 1.5:
            yield z, z + length
        z += max(length, 0.6) + (rng.uniform(0, gap) if gap else 0.0)


def _urban(street: Street, sign: int, rng: np.random.Generator) -> list:
    side, things = street.side(sign), []
    level, spread = rng.uniform(6, 15), rng.uniform(0.5, 3)
    for near, far in _stretches(street, 3.5, FAR, rng, 8, 22):
        if rng.random() < 0.07:  # a gap between houses, behind a wall or fence, with trees in the yard
            label = WALL if rng.random() < 0.6 else FENCE
            things.append(Barrier(sign, side.front, near, far, rng.uniform(1.4, 2.6), label))
            things.append(Plant(sign * (side.front + 5), (near + far) / 2, 2, 6, 5))
            continue
        style = pick(rng, ['plaster', 'brick', 'glass'], [6, 3, 1.6])
        height = max(4.0, level + rng.uniform(-spread, spread) + (6 if style == 'glass' else 0))
        things.append(House(sign, side.front + rng.uniform(0, 0.4), near, far, height, style))
    if rng.random() < 0.4 and side.walk - side.road > 2.2:  # an avenue
        things += _avenue(street, sign, side.road + 0.8, rng)
    return things


def _avenue(street: Street, sign: int, offset: float, rng: np.random.Generator) -> list:
    pitch, width, slim = rng.uniform(7, 14), rng.uniform(3, 5), rng.random() < 0.25
    return [
        Plant(
            sign * (offset + rng.uniform(-0.2, 0.3)),
            z,
            rng.uniform(2, 3),
            width * rng.uniform(0.8, 1.2) * (0.6 if slim else 1),
            width * rng.uniform(0.9, 1.3),
            slim,
        )
        for z in np.arange(rng.uniform(6, 14), FAR * 0.8, pitch)
        if not street.open_at(z, 2)
    ]


def _suburb(street: Street, sign: int, rng: np.random.Generator) -> list:
    side, things = street.side(sign), []
    yard = rng.uniform(3, 8)
    border = pick(rng, ['fence', 'wall', 'hedge', 'none'], [4, 3, 3, 1])
    height = rng.uniform(0.8, 1.7)
    for near, far in _stretches(street, 4.0, 80, rng, 6, 18, gap=2.5):
        if border in ('fence', 'wall'):
            things.append(Barrier(sign, side.front, near, far, height, FENCE if border == 'fence' else WALL))
        elif border == 'hedge':
            things.append(Hedge(sign, side.front, near, far, height))
        if rng.random() < 0.25:
            border = pick(rng, ['fence', 'wall', 'hedge', 'none'], [4, 3, 3, 1])
    for near, far in _stretches(street, 6.0, FAR, rng, 8, 14, gap=9):
        style = pick(rng, ['plaster', 'brick'], [3, 2])
        things.append(House(sign, side.front + yard + rng.uniform(0, 2), near, far, rng.uniform(3.5, 7), style))
        if rng.random() < 0.7:
            things.append(_plant(sign * (side.front + rng.uniform(0.8, yard)), near + rng.uniform(-3, 5), rng))
    for _ in range(int(rng.integers(1, 5))):
        things.append(_plant(sign * (side.front + yard + rng.uniform(4, 14)), rng.uniform(18, 90), rng, tree=True))
    return things


def _park(street: Street, sign: int, rng: np.random.Generator) -> list:
    side, things = street.side(sign), []
    if rng.random() < 0.6:
        things += _avenue(street, sign, side.walk + rng.uniform(0.8, 2), rng)
    for _ in range(int(rng.integers(8, 22))):
        z = rng.uniform(8, FAR)
        if not street.open_at(z, 3):
            things.append(_plant(sign * (side.front + rng.uniform(2, 22)), z, rng))
    if rng.random() < 0.5:
        for near, far in _stretches(street, rng.uniform(5, 15), rng.uniform(30, 80), rng, 20, 40):
            things.append(Barrier(sign, side.front, near, far, rng.uniform(0.6, 1.3), FENCE))
    if rng.random() < 0.5:
        near = rng.uniform(40, 80)
        things.append(House(sign, side.front + rng.uniform(10, 25), near, near + 20, rng.uniform(5, 14), 'plaster'))
    return things


def _works(street: Street, sign: int, rng: np.random.Generator) -> list:
    side, things = street.side(sign), []
    label, height = (WALL, rng.uniform(1.6, 3.0)) if rng.random() < 0.55 else (FENCE, rng.uniform(1.5, 2.4))
    for near, far in _stretches(street, 4.0, 90, rng, 20, 45):
        things.append(Barrier(sign, side.front, near, far, height, label))
    for near, far in _stretches(street, 12, FAR, rng, 15, 30, gap=20):
        things.append(
            House(
                sign,
                side.front + rng.uniform(4, 9),
                near,
                far,
                rng.uniform(5, 9),
                pick(rng, ['shed', 'brick', 'glass'], [3, 1, 1]),
            )
        )
    for _ in range(int(rng.integers(2, 7))):
        things.append(_plant(sign * (side.front + rng.uniform(1.5, 8)), rng.uniform(10, 80), rng))
    return things


def _plant(x: float, z: float, rng: np.random.Generator, tree: bool = False) -> Plant:
    z = max(z, 7.0)
    if tree or rng.random() < 0.55:
        width = rng.uniform(3, 6.5)
        slim = rng.random() < 0.2
        return Plant(
            x,
            z,
            0.4 if slim else rng.uniform(1.4, 2.8),
            width * (0.5 if slim else 1),
            width * rng.uniform(0.8, 1.4),
            slim,
        )
    width = rng.uniform(1, 2.6)
    return Plant(x, z, 0.0, width, width * rng.uniform(0.6, 1.0))


def _posts(street: Street, sign: int, rng: np.random.Generator) -> list:
    side, things = street.side(sign), []
    line = side.road + 0.55
    if rng.random() < 0.75:
        kind = pick(rng, ['lamp', 'mast'], [4, 1])
        pitch = rng.uniform(14, 28)
        things += [Post(sign * line, z, kind, -sign) for z in np.arange(rng.uniform(6, 20), FAR * 0.8, pitch)]
    for _ in range(int(rng.integers(0, 4))):
        things.append(Post(sign * (line + rng.uniform(0, 0.5)), rng.uniform(6.5, 40), 'sign', -sign))
    if rng.random() < 0.15:
        things += [Post(sign * line, z, 'bollard', -sign) for z in np.arange(rng.uniform(5, 9), 24, 1.8)]
    for near, far in street.crossings:
        if rng.random() < 0.65:
            things.append(Post(sign * line, near - 2.4, 'signal', -sign))
        if rng.random() < 0.5:
            things.append(Post(sign * line, far + 1.0, 'signal', -sign))
    for near, _ in street.zebras:
        if rng.random() < 0.5 and not street.crossings:
            things.append(Post(sign * line, near - 0.6, pick(rng, ['signal', 'sign']), -sign))
    if rng.random() < 0.35:
        things.append(Clutter(sign * (side.walk - 0.2), rng.uniform(7, 25)))
    return things


def _walkers(street: Street, sign: int, rng: np.random.Generator) -> list:
    side, things = street.side(sign), []
    middle, half = (side.road + side.walk) / 2 + 0.4, max(0.3, (side.walk - side.road) / 2 - 0.7)
    for _ in range(int(rng.poisson(2.6 if side.district == 'urban' else 1.2))):
        x, z = sign * (middle + rng.uniform(-half, half)), rng.uniform(6, 34) ** 1.0
        things.append(Pedestrian(x, z, rng.uniform(1.55, 1.92)))
        if rng.random() < 0.4:  # company
            things.append(Pedestrian(x + rng.uniform(0.5, 0.7), z + rng.uniform(-0.2, 0.2), rng.uniform(1.1, 1.9)))
    for _ in range(int(rng.poisson(0.6))):
        kind = 'bicycle' if rng.random() < 0.72 else 'motorcycle'
        things.append(
            TwoWheeler(
                sign * (side.walk - rng.uniform(0.3, 0.8)),
                rng.uniform(6, 22),
                kind,
                False,
                rng.uniform(0.5, 2.6) * rng.choice([-1, 1]),
            )
        )
    for near, far in street.zebras:
        for _ in range(int(rng.poisson(0.7))):
            things.append(
                Pedestrian(
                    rng.uniform(-street.left.road, street.right.road), rng.uniform(near, far), rng.uniform(1.55, 1.92)
                )
            )
    return things


def _vehicle(x: float, z: float, yaw: float, kind: str, rng: np.random.Generator) -> Vehicle:
    length = {
        'car': rng.uniform(3.7, 4.8),
        'van': rng.uniform(4.8, 5.6),
        'truck': rng.uniform(7, 10),
        'bus': rng.uniform(9, 12),
        'train': rng.uniform(18, 28),
    }[kind]
    return Vehicle(x, z, yaw, kind, length, bool(rng.random() < 0.3))


def _parked(street: Street, sign: int, rng: np.random.Generator) -> list:
    side = street.side(sign)
    if not side.parking:
        return []
    things, z = [], rng.uniform(5, 14)
    share = rng.uniform(0.3, 0.95)
    while z < 85:
        if (
            rng.random() < share
            and not street.open_at(z, 4)
            and all(not near - 3 < z < far + 3 for near, far in street.zebras)
        ):
            yaw = (np.pi if sign < 0 else 0.0) + rng.uniform(-0.03, 0.03)
            kind = pick(rng, ['car', 'van', 'truck'], [0.86, 0.1, 0.04])
            vehicle = _vehicle(sign * (side.road - 1.1), z + 2.4, yaw, kind, rng)
            things.append(vehicle)
            z += vehicle.length
        z += rng.uniform(0.7, 2.2) if rng.random() < 0.8 else rng.uniform(3, 9)
    return things


def _traffic(street: Street, rng: np.random.Generator) -> list:
    """Vehicles and riders on the lanes and in the crossing street."""
    things = []
    lanes = sorted(street.lanes)
    edges = [-street.left.road + 2.1 * street.left.parking, *lanes, street.right.road - 2.1 * street.right.parking]
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        if high - low < 2.2:
            continue
        middle, ours = (low + high) / 2, (low + high) / 2 > lanes[-1] - 3.4 and high > 0
        rail = any(abs(rail - middle) < 2.2 for rail in street.rails)
        z = rng.uniform(9, 40) if ours else rng.uniform(11, 45)
        while z < 100:
            kind = pick(rng, ['car', 'van', 'truck', 'bus', 'train'], [0.66, 0.08, 0.1, 0.09, 2.0 if rail else 0])
            vehicle = _vehicle(middle + rng.uniform(-0.25, 0.25), z, 0.0 if ours else np.pi, kind, rng)
            vehicle.z += vehicle.length / 2
            if not street.open_at(vehicle.z, 2):
                things.append(vehicle)
            z = vehicle.z + vehicle.length / 2 + rng.exponential(16) + 4
    for sign in (-1, 1):
        if rng.random() < 0.45:
            offset = street.side(sign).road - 2.1 * street.side(sign).parking - 0.7
            kind = 'bicycle' if rng.random() < 0.65 else 'motorcycle'
            yaw = rng.uniform(0.0, 0.5) * rng.choice([-1, 1])
            things.append(TwoWheeler(sign * offset, rng.uniform(7, 24), kind, True, yaw))
    for near, far in street.crossings:
        x = rng.uniform(-25, 5)
        while x < 25 and rng.random() < 0.75:
            lane = near + (far - near) * rng.choice([0.28, 0.72])
            if rng.random() < 0.2:
                things.append(
                    TwoWheeler(x, lane, pick(rng, ['bicycle', 'motorcycle']), True, rng.choice([-1, 1]) * np.pi / 2)
                )
            else:
                kind = pick(rng, ['car', 'van', 'truck', 'bus'], [0.7, 0.1, 0.12, 0.08])
                things.append(_vehicle(x, lane, rng.choice([-1, 1]) * np.pi / 2, kind, rng))
            x += rng.uniform(9, 24)
    return things


def cast_shadows(painter: GroundPainter, things: list, weather: Weather) -> None:
    """Darken the ground under and behind everything that stands on it."""
    sun = weather.sun
    reach = np.array([-sun[0], -sun[2]]) / max(sun[1], 0.18)
    for thing in things:
        footprint, height = _footprint(thing)
        if footprint is None:
            continue
        if weather.shadow > 0.3:
            tip = footprint + reach * min(height, 14)
            painter.cast(np.concatenate([footprint, tip]), weather.shadow + 0.2)
        elif not isinstance(thing, House):
            middle = footprint.mean(axis=0)
            painter.cast(middle + (footprint - middle) * 1.12, 0.48)


def _footprint(thing) -> tuple[np.ndarray | None, float]:
    """Ground corners (N, 2) of a thing and the height of what casts its shadow."""
    if isinstance(thing, Vehicle):
        return thing.footprint(), {'car': 1.3, 'van': 1.9, 'truck': 3.2, 'bus': 3.1, 'train': 3.4}[thing.kind]
    if isinstance(thing, House | Barrier | Hedge):
        x = np.array([thing.front, thing.front + (9 if isinstance(thing, House) else 0.3)]) * thing.sign
        return np.array([(x[0], thing.near), (x[1], thing.near), (x[1], thing.far), (x[0], thing.far)]), thing.height
    radius, height = {
        Pedestrian: (0.22, 1.6),
        TwoWheeler: (0.5, 1.2),
        Post: (0.07, 5.0),
        Clutter: (0.4, 1.0),
        Plant: (0.2, 2.0),
    }.get(type(thing), (0.0, 0.0))
    if isinstance(thing, Plant):
        radius, height = 0.32 * thing.width, thing.trunk + 0.6 * thing.height
    elif radius == 0.0:
        return thing.footprint() if hasattr(thing, 'footprint') else None, getattr(thing, 'height', 0.0)
    angle = np.arange(8) * np.pi / 4
    return np.stack([thing.x + radius * np.cos(angle), thing.z + radius * np.sin(angle)], axis=1), height
