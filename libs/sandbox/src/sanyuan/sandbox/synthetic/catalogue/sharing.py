"""How a resource is shared, in the words of those who share it (指南: 共享属性, 开放属性)."""

from typing import Final, cast

from sanyuan.common.contracts.catalog import Openness, Sharing, SharingMode
from sanyuan.sandbox.synthetic.catalogue.words import GROUNDS, Conditions, Grounds, Kind, Share

_CONDITIONS: Final[dict[Conditions, tuple[str, ...]]] = {
    "personal": (
        "限于履行法定职责所必需，按最小必要原则逐项申请字段，须有本人授权或者法律依据",
        "涉及个人信息，仅供办理本人事项时核验，不得批量查询，用后不得留存",
        "须说明办理事项和法律依据，由使用部门对查询人员实名管理并留痕",
    ),
    "business": (
        "涉及商业秘密和未公开的经营信息，须说明使用场景，不得向第三方提供",
        "仅供行政许可、信用评价和协同监管使用，不得用于商业目的",
        "按申请的企业范围提供，使用部门须签订数据安全责任书",
    ),
    "internal": (
        "属于行政机关内部工作信息，限相关部门业务协同使用，不得公开",
        "供联合检查、应急处置等协同事项使用，须经业务主管司局同意",
        "按地域和事权范围提供，超出范围须另行申请",
    ),
}
_GROUNDS: Final[dict[Grounds, str]] = {
    "files": "《中华人民共和国个人信息保护法》第二十八条：申请材料含敏感个人信息，依申请另行调取",
    "traces": "《中华人民共和国个人信息保护法》第六条：用证记录可以还原个人和单位的活动轨迹",
    "informants": "《中华人民共和国监察法》和举报工作规定：可能暴露举报人和未核实的线索",
    "process": "《中华人民共和国政府信息公开条例》第十六条：讨论、比对、审议形成的过程性信息",
    "security": "《中华人民共和国网络安全法》第三十一条：涉及关键信息基础设施的点位和接入方式",
    "unchecked": "未经校核的原始数据，只供质量控制，校核后的数据另行共享",
    "microdata": "《中华人民共和国统计法》第九条：能够识别单个统计调查对象的资料不得对外提供",
}
_READABLE: Final = frozenset({"spreadsheet", "electronic-file", "self-describing"})


def sharing(kind: Kind, *, guarded: bool, chance: float) -> Sharing:
    """The sharing of a resource; ``chance`` in [0, 1) chooses among conditions."""
    share: Share = "internal" if guarded and kind.share == "free" else kind.share
    mode: SharingMode = "media-exchange" if kind.format == "image" else "platform"
    if share == "free":
        return Sharing(type="unconditional", mode=mode)
    if share in GROUNDS:
        grounds = _GROUNDS[cast("Grounds", share)]
        return Sharing(type="not-shared", grounds=grounds, mode=mode)
    choices = _CONDITIONS[cast("Conditions", share)]
    conditions = choices[int(chance * len(choices))]
    return Sharing(type="conditional", conditions=conditions, mode=mode)


def openness(kind: Kind, shared: Sharing) -> Openness:
    """Whether the public has it too."""
    if shared.type == "not-shared" or kind.share == "personal":
        return "not-open"
    if shared.type == "conditional":
        return "conditionally-open" if kind.share == "business" else "not-open"
    return "open" if kind.format in _READABLE else "conditionally-open"
