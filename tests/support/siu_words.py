"""Literal messages of a made-up hospital, with canary words where a person's name, number or free text may stand."""

SITE = """
site: test
timezone: Europe/Berlin
day_boundary: "04:00"
suites:
  - id: {suite}
    rooms:
      - {{id: "1", service: urology, block_start: "07:30", block_end: "15:30", closes: "19:00"}}
      - {{id: "3", service: orthopaedics, block_start: "07:30", block_end: "15:30", closes: "19:00"}}
hl7:
  sources: {{{source}: {{suite: {suite}}}}}
  facility: DEMO
  rooms: {{OR1: "1", OR3: "3"}}
  services: {{ORT: orthopaedics, URO: urology}}
  milestones: {{WHEELS_IN: patient_in_room, INCISION: procedure_start, PROC_END: procedure_end,
                WHEELS_OUT: patient_out_of_room, PACU_IN: pacu_in}}
  pacu_locations: [PACU]
"""
CANARIES = ("Zzyxcanary", "CANARYMRN77", "19511123", "Canary Lane", "free canary text")


def write_siu(
    trigger: str = "S12",
    *,
    source: str = "TWIN",
    case: str = "A100",
    control: str = "M1",
    version: str = "V1",
    sent: str = "20260302071500+0000",
    start: str = "20260302090000+0000",
    end: str = "20260302103000+0000",
    room: str = "OR3",
    reason: str = "",
    obx: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    replace: dict[str, str] | None = None,
    header: str = "P|2.5.1",
) -> bytes:
    """A SIU of the default profile; `drop` leaves segments out, `replace` puts another line for one."""
    lines = {
        "MSH": f"MSH|^~\\&|{source}|DEMO|ORLOOP|ORLOOP|{sent}||SIU^{trigger}^SIU_S12|{control}|{header}",
        "SCH": f"SCH||{case}|||{version}|{reason}|ELECTIVE||90|min|||||||||||||||Booked",
        "TQ1": f"TQ1|1||||||{start}|{end}|4^Elective",
        "NTE": "NTE|1||free canary text",
        "PID": "PID|1||CANARYMRN77^^^DEMO^MR||Zzyxcanary^Ada||19511123|F|||Canary Lane",
        "PV1": "PV1|1|I|WARD1|||||||ORT|||||||||VN" + case,
        **{f"OBX{n}": f"OBX|{n}|{line}" for n, line in enumerate(obx, 1)},
        "RGS": "RGS|1",
        "AIS": "AIS|1||5-820^Hip replacement^OPS|||||||Booked",
        "AIL": f"AIL|1||{room}^^^DEMO|||{start}|||90|min||Booked",
        "AIP": "AIP|1||S017^Meyer^Anna|SURGEON",
        "AIG": "AIG|1||LAPTOWER^Laparoscopy tower",
    }
    lines |= replace or {}
    return "".join(line + "\r" for name, line in lines.items() if name not in drop).encode()


def make_site(suite: str = "main", source: str = "TWIN") -> str:
    return SITE.format(suite=suite, source=source)


def with_msh(body: bytes, **fields: str) -> bytes:
    """The message with other MSH fields: `with_msh(body, f9="SIU")`."""
    head, rest = body.split(b"\r", 1)
    parts = head.decode().split("|")
    for name, value in fields.items():
        number = int(name[1:]) - 1
        parts += [""] * (number + 1 - len(parts))
        parts[number] = value
    return "|".join(parts).encode() + b"\r" + rest


def batch(*messages: bytes, count: int | None = None) -> bytes:
    """A file of one batch; `count` is what its trailer says, if that is not how many there are."""
    trailer = f"BTS|{len(messages) if count is None else count}\rFTS|1\r".encode()
    return b"FHS|^~\\&|TWIN|DEMO\rBHS|^~\\&|TWIN|DEMO\r" + b"".join(messages) + trailer
