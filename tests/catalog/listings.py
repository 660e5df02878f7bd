"""Resources to list, and a catalogue on a disk to list them in: no service, no broker."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from sanyuan.catalog.search import MODELS, Catalogue, Publication, Search, index, unindex
from sanyuan.common.contracts.catalog import Item, Resource, Sharing
from sanyuan.common.database import Database

PROVIDER: Final = "11100000000013338W"
AT: Final = 1_790_000_000_000_000
"""2026-09-21T14:13:20Z in µs."""


def make_resource(name: str = "户籍登记信息", **fields: Any) -> Resource:  # noqa: ANN401  any field
    """A resource with these fields, plausible in the others."""
    defaults: dict[str, Any] = {
        "code": "307010/000001",
        "classification": ("人口", "户政", "登记"),
        "name": name,
        "summary": "公安机关登记的基本情况",
        "provider": PROVIDER,
        "format": "database",
        "items": (Item(name="holder_name", title="姓名", type="C"),),
        "sharing": Sharing(type="unconditional"),
        "update_cycle": "daily",
    }
    return Resource(**{**defaults, **fields})


def publish(resource: Resource, revision: int = 1, at: int = AT) -> Publication:
    """Its publication."""
    return Publication(resource, revision, at, "公安部", "Ministry of Public Security")


@dataclass(frozen=True)
class Shelf:
    """A catalogue, written by one connection and read by others."""

    database: Database
    path: Path
    catalogue: Catalogue

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator["Shelf"]:
        path = folder / "catalog.db"
        database = Database.open(f"sqlite:///{path}", MODELS)
        catalogue = Catalogue(path)
        try:
            yield cls(database, path, catalogue)
        finally:
            catalogue.close()
            database.close()

    def write(self, work: Callable[[Connection], None]) -> None:
        self.database.run(work)

    def publish(self, *resources: Resource, revision: int = 1, at: int = AT) -> None:
        listed = [publish(resource, revision, at) for resource in resources]
        self.write(lambda connection: index(connection, listed))

    def enter(self, publications: Sequence[Publication]) -> None:
        self.write(lambda connection: index(connection, publications))

    def withdraw(self, *codes: str) -> None:
        self.write(lambda connection: unindex(connection, codes))

    def names(self, text: str, **wanted: Any) -> list[str]:  # noqa: ANN401  any filter
        """The names found, in order."""
        found = self.catalogue.search(Search(text=text, **wanted))
        return [entry.resource.name for entry in found.entries]


def _words(text: str) -> list[str]:
    return text.split()


_SUBJECTS: Final = _words(
    "户籍 婚姻 出生 死亡 社会保险 医疗保险 养老保险 企业 个体工商户 社会组织 事业单位 食品经营 "
    "药品经营 医疗机构 医师 护士 教师 学籍 学历 学位 建筑施工 房屋 不动产 土地 矿产 海域 道路运输 "
    "机动车 驾驶人 船舶 航班 铁路 排污 环境影响 森林 草原 水资源 气象 地震 灾害 救助 残疾人 "
    "退役军人 公积金 纳税人 发票 海关 进出口 外商投资 专利 商标 版权 广播电视 文物 旅行社 体育 "
    "彩票 烟草 粮食 种子 农药 兽药 渔业"
)
_ACTS: Final = _words(
    "登记 许可证 备案 年报 处罚 信用 注销 变更 检查 资格 证书 档案 统计 名录 缴费"
)
_FORMS: Final = _words("信息 信息查询 核验 目录 明细 清单")
_PLACES: Final = _words("全国 省级 市级 县级 北京市 上海市 广东省 四川省 长三角 京津冀")
_TITLES: Final = _words(
    "姓名 证件号码 统一社会信用代码 名称 住所 登记机关 登记日期 有效期 状态 类型 经营范围 "
    "法定代表人 联系电话 地址 面积 金额 编号 备注 发证机关 行政区划"
)
_ENGLISH: Final = _words("register permit record statistics penalty certificate licence report")


def national_catalogue(count: int = 10_000, seed: int = 2020) -> list[Publication]:
    """So many resources of 53 providers, like a national catalogue in words and lengths."""
    dice = random.Random(seed)  # noqa: S311  plausible, not secret
    providers = [(f"111000000000{n:05d}X", f"第{n}部门") for n in range(1, 54)]
    made = []
    for number in range(count):
        subject, act = dice.choice(_SUBJECTS), dice.choice(_ACTS)
        name = f"{dice.choice(_PLACES)}{subject}{act}{dice.choice(_FORMS)}"
        provider, provider_name = dice.choice(providers)
        titles = dice.sample(_TITLES, dice.randint(4, 15))
        conditional = dice.random() < 0.6
        resource = make_resource(
            name,
            code=f"{dice.randint(1, 4)}{dice.randint(1, 20):02d}{dice.randint(1, 30):03d}"
            f"/{number:06d}",
            classification=(f"{subject}类", f"{subject}{act}", act),
            name_en=f"{dice.choice(_ENGLISH)} of {dice.choice(_ENGLISH)} {number}",
            summary=f"{name}由{provider_name}采集，用于{act}管理、{subject}监管和公共服务。" * 3,
            provider=provider,
            format=dice.choice(("service-interface", "database", "spreadsheet")),
            items=tuple(
                Item(name=f"item_{place}", title=title, type="C")
                for place, title in enumerate(titles)
            ),
            sharing=Sharing(type="conditional", conditions=f"用于{act}")
            if conditional
            else Sharing(type="unconditional"),
            openness=dice.choice(("open", "conditionally-open", "not-open")),
            update_cycle=dice.choice(("real-time", "daily", "yearly")),
        )
        made.append(Publication(resource, 1, AT + number, provider_name))
    return made
