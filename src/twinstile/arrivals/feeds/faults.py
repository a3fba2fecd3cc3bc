"""Why a department could not be read, in words for whoever looks after the feed.

They say what to look at; the words of formats for whole deliveries and rows are with `formats`.
"""

# ruff: noqa: RUF001 -- Chinese has punctuation of its own

from collections.abc import Mapping
from typing import Final

from twinstile.arrivals.formats import reasons
from twinstile.arrivals.formats.reasons import Reason, Said

UNKNOWN: Final[Said] = {
    "en": "It could not be read. Look at the service's log.",
    "zh-CN": "无法读取。请查看服务日志。",
}


def _said(en: str, zh_cn: str) -> Said:
    return {"en": en, "zh-CN": zh_cn}


WORDS: Final[Mapping[str, Said]] = {
    # on the way there
    "name-unknown": _said(
        "The name in the address is unknown. Look at the address and at DNS.",
        "地址中的主机名无法解析。请检查地址与 DNS。",
    ),
    "address-refused": _said(
        "The name leads to an address that may not be asked. Set inside = true for your own "
        "network.",
        "该主机名指向不允许访问的地址。内网部门请设置 inside = true。",
    ),
    "connect-failed": _said(
        "Nobody answers at the address: the department is down, or a firewall is between.",
        "对方地址无应答：对方系统停机，或被防火墙阻断。",
    ),
    "connect-timeout": _said(
        "No connection came about in time: the department is down, or a firewall is between.",
        "连接超时：对方系统停机，或被防火墙阻断。",
    ),
    "connection-lost": _said(
        "The connection broke off. It is tried again.", "连接中断，将重试。"
    ),
    "timeout": _said(
        "The answer did not come to its end in time: the department is too slow, or hangs.",
        "未在时限内收完应答：对方过慢或已挂起。",
    ),
    "tls-failed": _said(
        "The certificate is not trusted, or not of that name. Look at ca_file and the address.",
        "证书不受信任或与主机名不符。请检查 ca_file 与地址。",
    ),
    "proxy-failed": _said("The proxy does not let us through.", "代理服务器拒绝转发。"),
    "call-failed": _said(
        "The call failed for another reason. Look at the service's log.",
        "调用失败，原因不明。请查看服务日志。",
    ),
    "host-key-refused": _said(
        "The SFTP server shows another key than the pinned one. Ask the department whether it "
        "was changed before you trust it.",
        "SFTP 服务器的主机密钥与登记的不一致。请先向对方核实是否更换，再予信任。",
    ),
    # let in or not
    "unauthorised": _said(
        "The department does not let us in. Look at the token, password or key.",
        "对方拒绝访问。请检查令牌、密码或密钥。",
    ),
    "secret-unreadable": _said(
        "A secret's file cannot be read, is empty or holds something else.",
        "密钥文件无法读取、为空或内容不符。",
    ),
    "certificate-unreadable": _said(
        "A certificate's file cannot be used.", "证书文件无法使用。"
    ),
    "driver-missing": _said(
        "The driver of that database is not installed here.", "本机未安装该数据库的驱动程序。"
    ),
    "rate-limited": _said(
        "We ask too often for the department. It is asked again when it says so.",
        "请求过于频繁，将按对方指定的时间重试。",
    ),
    # what was answered
    "department-failed": _said(
        "The department's system reports a fault of its own.", "对方系统报告内部故障。"
    ),
    "not-found": _said(
        "There is nothing at the address. Look at its path.", "该地址无内容。请检查路径。"
    ),
    "redirected": _said(
        "The answer leads elsewhere, where we do not follow. Enter the new address.",
        "应答要求跳转，本系统不跟随。请填写新地址。",
    ),
    "unexpected-status": _said(
        "The answer has a status nobody expected.", "应答状态码不在预期之内。"
    ),
    "html-page": _said(
        "A web page came instead of data, perhaps of a sign-in or an error.",
        "收到的是网页而非数据，可能是登录页或错误页。",
    ),
    "wrong-media-type": _said(
        "The answer is of another media type than agreed.", "应答的媒体类型与约定不符。"
    ),
    "error-body": _said(
        "The answer says itself that it is an error.", "应答内容自身报告错误。"
    ),
    "not-json": _said("The answer is no JSON, or was cut off.", "应答不是 JSON，或已被截断。"),
    "answer-broken": _said("The answer breaks the rules of HTTP.", "应答不符合 HTTP 规范。"),
    "encoding-not-asked-for": _said(
        "The answer is compressed, which was not asked for. Set compressed = true for gzip.",
        "应答经过未请求的压缩。若为 gzip，请设置 compressed = true。",
    ),
    "gzip-broken": _said("The compressed content is damaged.", "压缩内容已损坏。"),
    "cursor-expired": _said(
        "The department has forgotten where we stood. Everything is read again.",
        "对方已不认可游标，将从头读取。",
    ),
    "cursor-loop": _said(
        "The pages lead round in a circle. Tell the department.", "分页游标循环。请通知对方。"
    ),
    "cursor-unreadable": _said(
        "The answer's own mark for the next page cannot be used.",
        "应答中的下一页标记无法使用。",
    ),
    "schema-changed": _said(
        "The table or its columns are not as they were agreed.", "数据表或其列与约定不符。"
    ),
    "too-many-rows": _said(
        "One day has more rows than are compared. Make reconcile_days smaller.",
        "单日行数超出核对上限。请减小 reconcile_days。",
    ),
    # of files
    "folder-missing": _said("The folder is not there.", "文件夹不存在。"),
    "permission-denied": _said(
        "The folder or a file may not be read, written or moved. Look at its owner.",
        "文件夹或文件无读、写或移动权限。请检查属主。",
    ),
    "disk-full": _said("The disk of the folder is full.", "文件夹所在磁盘已满。"),
    "share-lost": _said("The share that is mounted has gone.", "挂载的共享已断开。"),
    "io-error": _said("The disk or the server failed.", "磁盘或服务器故障。"),
    "bad-name": _said(
        "A file has a name no file may have. It is left where it is.",
        "存在文件名非法的文件，已原样保留。",
    ),
    "not-a-file": _said(
        "It is a link or a device and no file. It was not opened.",
        "它是链接或设备而非文件，未打开。",
    ),
    "changed-while-read": _said(
        "A file was still being written while it was read. It is taken later.",
        "文件读取时仍在写入，稍后再取。",
    ),
    "too-many-files": _said(
        "Too many files lie in the folder. The oldest are taken first.",
        "文件夹内文件过多，先取最早的。",
    ),
    "digest-mismatch": _said(
        "The content is not what its digest says: cut off, or changed on the way.",
        "内容与摘要不符：传输中被截断或改动。",
    ),
    "marker-unreadable": _said(
        "The file beside it that says it is whole cannot be read.", "完成标志文件无法读取。"
    ),
    # of a department that comes itself
    "clock-skew": _said(
        "What came was signed more than five minutes from our time. Set the clocks by NTP.",
        "签名时间与本机相差超过五分钟。请以 NTP 校时。",
    ),
    "nonce-used": _said(
        "A request came a second time. Sign each one anew, a repeated one too.",
        "同一请求被重复提交。每次提交（含重试）都须重新签名。",
    ),
    "failed": _said(
        "The service failed at it. Look at its log.", "服务处理失败。请查看服务日志。"
    ),
}


def said(fault: str) -> Said:
    """What people are told of a fault of a feed or a reason of a delivery or a row."""
    known = WORDS.get(fault)
    if known is not None:
        return known
    try:
        return reasons.WORDS[Reason(fault)]
    except ValueError:
        return UNKNOWN
