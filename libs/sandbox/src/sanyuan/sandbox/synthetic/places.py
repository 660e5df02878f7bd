"""Addresses in the cities of `regions`: real cities, roads that every city has."""

from random import Random
from typing import Final

_TABLE: Final = """
1101 北京市  1201 天津市  1301 石家庄市  1401 太原市  1501 呼和浩特市  2101 沈阳市  2102 大连市
2201 长春市  2301 哈尔滨市  3101 上海市  3201 南京市  3205 苏州市  3301 杭州市  3302 宁波市
3401 合肥市  3501 福州市  3502 厦门市  3601 南昌市  3701 济南市  3702 青岛市  4101 郑州市
4201 武汉市  4301 长沙市  4401 广州市  4403 深圳市  4501 南宁市  4601 海口市  4602 三亚市
5001 重庆市  5101 成都市  5201 贵阳市  5301 昆明市  5401 拉萨市  6101 西安市  6201 兰州市
6301 西宁市  6401 银川市  6501 乌鲁木齐市  6502 克拉玛依市
"""
_CELLS: Final = _TABLE.split()
CITIES: Final = dict(zip(_CELLS[::2], _CELLS[1::2], strict=True))
"""The names of cities by the first four digits of their districts."""
_NAMED: Final = "建设 人民 解放 和平 中山 新华 胜利 长江 黄河 文化 体育 科技 工业 迎宾 团结"
_ROADS: Final = tuple(
    f"{name}{kind}" for name in _NAMED.split() for kind in ("路", "大街", "东路", "西路")
)
_ROOMS: Final = 30


def city_of(region: str) -> str:
    """The city of a district, by its six digits."""
    return CITIES[region[:4]]


def address_in(region: str, random: Random) -> str:
    """Somewhere in the city of a district."""
    road = _ROADS[int(random.random() * len(_ROADS))]
    number, floor = 1 + int(random.random() * 399), 1 + int(random.random() * 28)
    return f"{city_of(region)}{road}{number}号{floor:d}{int(random.random() * _ROOMS):02d}室"
