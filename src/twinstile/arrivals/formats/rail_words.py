"""What railways call their columns, and the words they fill them with."""

from collections.abc import Mapping
from typing import Final

from twinstile.arrivals.formats import origins, papers, rows
from twinstile.arrivals.records import Op, Role, RunStatus
from twinstile.identity.types import ContactOwner

NAMES: Final[Mapping[str, str]] = {
    **papers.COLUMNS,
    **origins.COLUMNS,
    "train": (
        "车次 车次号 列车车次 列车号 列车 station_train_code train_code "
        "train_number service_no train trip_no"
    ),
    "train_no": "列车编号 train_no internal_no",
    "service_date": (
        "始发日期 开行日期 运行日期 列车日期 service_date operating_day "
        "start_train_date train_date"
    ),
    "travel_date": (
        "日期 乘车日期 开车日期 发车日期 出发日期 travel_date departure_date date train_day"
    ),
    "coach": "车厢 车厢号 车厢号码 coach coach_no carriage carriage_no car car_no",
    "seat": (
        "席位 席位号 座位 座位号 座号 铺位 座席 席位信息 seat seat_no seat_name seat_number"
    ),
    "board_stop": (
        "上车站 乘车站 发站 出发站 上车站名 from_station from_station_name "
        "board_stop boarding_station board_station"
    ),
    "alight_stop": (
        "下车站 到站 到达站 下车站名 to_station to_station_name alight_stop "
        "alighting_station alight_station"
    ),
    "from_stop": "始发站 start_station start_station_name origin from_stop",
    "to_stop": "终到站 终点站 end_station end_station_name terminus to_stop",
    "hub_stop": "车站 本站 停站 station station_name stop hub_stop",
    "ticket": (
        "票号 车票号 车票号码 电子客票号 客票号 ticket_no ticket_number entry_id e_ticket_no"
    ),
    "row_id": "id exch_id row_id record_id",
    "order": "订单号 订单编号 订单号码 order_no order_id sequence_no booking_no pnr",
    "party": "团体号 同行组 团体编号 party group_no group_id",
    "type": "旅客类型 乘客类型 票种 票类型 passenger_type ticket_type role",
    "status": "车票状态 票状态 客票状态 状态 列车状态 ticket_status status run_status",
    "phone": (
        "手机号 手机 手机号码 联系电话 电话 电话号码 mobile_no mobile phone phone_no telephone"
    ),
    "email": "邮箱 电子邮箱 电子邮件 email e_mail mail",
    "owner": "联系人关系 电话归属 联系人类型 contact_owner phone_owner",
    "languages": "语言 语种 language languages",
    "arrival": (
        "到达时间 到时 到点 计划到达 计划到达时间 图定到达时间 arrive_time "
        "arrival_time scheduled_arrival arrival"
    ),
    "departure": "出发时间 开点 发车时间 发时 开车时间 start_time departure_time departure",
    "estimated": "预计到达 预计到达时间 estimated_arrival eta",
    "actual": "实际到达 实际到达时间 actual_arrival ata",
    "platform": "站台 到达站台 platform",
    rows.PASSED_OVER: (
        "序号 no number_in_list 备注 票价 席别 座位等级 席位等级 席别名称 price "
        "fare remark remarks seat_class seat_type seat_type_name 年龄 age 民族 地址 "
        "address 历时 duration"
    ),
}

STATUS: Final = rows.table(
    {
        Op.DELETE: (
            "退票 已退 已退票 已改签 改签 作废 已作废 取消 已取消 refunded refund "
            "returned changed cancelled canceled void voided rebooked"
        ),
        Op.UPSERT: (
            "已售 已出票 有效 正常 已支付 已检票 已进站 已出站 改签票 未使用 sold valid "
            "issued paid ok checked_in normal active booked"
        ),
    }
)
ROLES: Final = rows.table(
    {Role.INFANT: "婴儿 婴幼儿 infant inf", Role.CREW: "乘务 乘务员 列车员 crew"}
)
MINORS: Final = frozenset({"2", "儿童", "儿童票", "孩票", "小孩", "child", "chd", "minor"})
"""Travellers who may have no document of their own."""
OWNERS: Final = rows.table(
    {
        ContactOwner.SELF: "本人 self 1",
        ContactOwner.GUARDIAN: "监护人 家长 父母 父亲 母亲 guardian parent 2",
    }
)
RUN_STATUS: Final = rows.table(
    {
        RunStatus.SCHEDULED: "正点 正常 晚点 scheduled on_time delayed",
        RunStatus.CANCELLED: "停运 取消 cancelled canceled",
        RunStatus.ADDED: "加开 临客 added extra",
        RunStatus.ARRIVED: "到达 已到 已到达 arrived",
    }
)
