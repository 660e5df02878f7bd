"""Names that read like names and occur in no text of ours.

Every name holds a character of _GIVEN next to a surname, or a piece of _FIRST next to a middle dot;
our texts avoid that, and a test compares all names with all texts of the repository. The pieces
stand apart here, so that this file does not spell a name either.
"""

from collections.abc import Sequence
from random import Random
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SURNAMES: Final = _words("""
    王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗 梁 宋 郑 谢 韩 唐 冯 于 董 萧
    程 曹 袁 邓 许 傅 沈 曾 彭 吕 苏 卢 蒋 蔡 贾 丁 魏 薛 叶 阎 余 潘 杜 戴 夏 钟 汪 田 任 姜
    范 方 石 姚 谭 廖 邹 熊 金 陆 郝 孔 白 崔 康 毛 邱 秦 江 史 顾 侯 邵 孟 龙 万 段 雷 钱 汤
    尹 黎 易 常 武 乔 贺 赖 龚 文 欧阳 司马 上官
""")
_GIVEN: Final = _words("""
    婉 曦 瑾 璇 馨 蕊 琪 霖 烨 煜 睿 祺 涵 芷 萱 霏 珂 彤 昕 晟 皓 瑜 璐 琳 琦 琬 瑶 瑄 璟 瓒
    珺 玥 璨 莹 菡 蓓 薇 茜 芮 茗 荟 葭 蘅 峥 嵘 巍 屹 淼 漪 沁 汐 湉 漾 潇 澈 泓 淇 翊 翎 翀
    羿 骁 骞 骐 骅 鸢 鹭 霁 雯 霓 霄 炜 焱 熠 燊 炯 煊 旻 昊 昱 晔 晗 晞 暄 妍 娅 嫣 娴 婧 姝
    妤 嫒 娉 怡 恺 恬 忻 懿 颢 顼 轶 钰 鑫 铮 铠 榕 槿 柠 栩 彧 韬 勖 劼 偲 倩 俪 筱 筠 箐 缃
    绮 绫 缦 翾 耘 聆 芃 芊 苒 茉 荔 莺 菁 蓁 蕙 蕾 薏 藜 蝶 裳
""")
_FIRST: Final = _words("""
    阿依古丽 古丽娜尔 买买提 艾克拜尔 努尔兰 热依汗 吐尔逊 帕提古丽 库尔班 阿迪力 迪丽拜尔
""")
_SECOND: Final = _words("""
    艾山 吐尔地 卡德尔 木沙 热合曼 依明 哈斯木 沙塔尔 买合木提 尼牙孜 肉孜 巴拉提
""")
_SHARE_WITH_DOT: Final = 0.01
_SHARE_SHORT: Final = 0.15

_TRADES: Final = _words("""
    餐饮管理 食品 商贸 科技 建筑工程 物流 医药 教育咨询 文化传播 农业发展 环保设备 纺织
    机械制造 信息技术 贸易 电子 服装 家具 汽车服务 酒店管理
""")
_FORMS: Final = ("有限公司", "有限责任公司", "股份有限公司")


def person_name(random: Random) -> str:
    """A surname with one or two characters, or two names joined by a middle dot."""
    if random.random() < _SHARE_WITH_DOT:
        return f"{_pick(random, _FIRST)}·{_pick(random, _SECOND)}"
    given = _pick(random, _GIVEN)
    if random.random() >= _SHARE_SHORT:
        given += _pick(random, _GIVEN)
    return _pick(random, _SURNAMES) + given


def organisation_name(random: Random) -> str:
    """A brand of three characters, a trade and a legal form."""
    brand = "".join(_pick(random, _GIVEN) for _ in range(3))
    return f"{brand}{_pick(random, _TRADES)}{_pick(random, _FORMS)}"


def _pick(random: Random, items: Sequence[str]) -> str:
    # Not `choice`: only `random()` promises the same numbers in every version of Python.
    return items[int(random.random() * len(items))]
