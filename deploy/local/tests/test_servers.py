import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import nats
import psutil
import psycopg
import pytest
from botocore.config import Config
from heaters_local.ports import free_port
from heaters_local.process import Child
from heaters_local.servers import EmbeddedServer, NatsServer, PostgresServer, S3Server, ServerNotReady

KINDS = [NatsServer, PostgresServer, S3Server]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[type[EmbeddedServer], EmbeddedServer]]:
    folder = tmp_path_factory.mktemp("servers")
    running: dict[type[EmbeddedServer], EmbeddedServer] = {}
    for kind in KINDS:
        running[kind] = kind(folder / kind.NAME, free_port()).start()
    yield running
    for server in running.values():
        server.stop()


def s3_client(server: S3Server):  # type: ignore[no-untyped-def]  # boto3 makes its clients' types at run time
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.REGION,
        config=Config(retries={"total_max_attempts": 1}),
    )


def everything_of(server: EmbeddedServer) -> list[psutil.Process]:
    assert server.pid
    process = psutil.Process(server.pid)
    return [process, *process.children(recursive=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_listens_on_the_loopback_address_only(servers, kind):
    listening = [
        connection.laddr
        for process in everything_of(servers[kind])
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert servers[kind].port in {address.port for address in listening}
    assert {address.ip for address in listening} == {"127.0.0.1"}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_owner_may_read_a_servers_secrets(servers, kind):
    secrets = [
        file for file in servers[kind].data_dir.iterdir() if file.name in {"password", "secret_key", "nats.conf"}
    ]

    assert secrets
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}


async def test_nats_keeps_messages_and_refuses_strangers(servers):
    connection = await nats.connect(servers[NatsServer].url)
    stream = connection.jetstream()
    await stream.add_stream(name="S", subjects=["s.>"])
    ack = await stream.publish("s.a", b"x")
    await connection.close()

    assert ack.seq == 1
    with socket.create_connection(("127.0.0.1", servers[NatsServer].port), timeout=5) as stranger:
        stranger.sendall(b"CONNECT {}\r\nPING\r\n")
        answers = b""
        while received := stranger.recv(4096):
            answers += received
    assert b"-ERR 'Authorization Violation'" in answers


def test_postgres_has_its_extensions_and_asks_for_the_password(servers):
    dsn = servers[PostgresServer].libpq_dsn
    wrong = dsn.replace("//heaters:", "//heaters:x")

    with psycopg.connect(dsn) as connection:
        for extension in ("vector", "btree_gist", "pg_trgm"):
            connection.execute(f"CREATE EXTENSION {extension}".encode())
        distance = connection.execute("SELECT '[1,0]'::vector <-> '[1,2]'::vector").fetchone()

    assert distance == (2.0,)
    assert servers[PostgresServer].dsn.startswith("postgresql+psycopg://heaters:")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_s3_stores_at_once_and_refuses_what_is_not_signed(servers):
    client = s3_client(servers[S3Server])

    client.create_bucket(Bucket="heaters")
    client.put_object(Bucket="heaters", Key="a", Body=b"abc")

    assert client.get_object(Bucket="heaters", Key="a", Range="bytes=1-")["Body"].read() == b"bc"
    assert httpx.get(f"{servers[S3Server].endpoint}/heaters/a").status_code == 403
    client.close()


async def test_data_outlives_a_stop_and_a_kill(tmp_path):
    bus, database, store = servers = [kind(tmp_path / kind.NAME, free_port()).start() for kind in KINDS]
    connection = await nats.connect(bus.url)
    await connection.jetstream().add_stream(name="S", subjects=["s.>"])
    await connection.close()
    with psycopg.connect(database.libpq_dsn) as rows:
        rows.execute("CREATE TABLE t (v text)")
    with_s3 = s3_client(store)
    with_s3.create_bucket(Bucket="heaters")

    for end in ("stop", "kill"):
        connection = await nats.connect(bus.url)
        await connection.jetstream().publish("s.a", f"before the {end}".encode())
        await connection.close()
        with psycopg.connect(database.libpq_dsn) as rows:
            rows.execute("INSERT INTO t VALUES (%s)", (f"before the {end}",))
        with_s3.put_object(Bucket="heaters", Key=end, Body=b"kept")
        for server in servers:
            getattr(server, end)()
            server.start()

    connection = await nats.connect(bus.url)
    messages = [(await connection.jetstream().get_msg("S", number)).data for number in (1, 2)]
    await connection.close()
    with psycopg.connect(database.libpq_dsn) as rows:
        found = rows.execute("SELECT v FROM t ORDER BY v").fetchall()
    objects = [with_s3.get_object(Bucket="heaters", Key=end)["Body"].read() for end in ("stop", "kill")]
    with_s3.close()
    for server in servers:
        server.stop()
    assert messages == [b"before the stop", b"before the kill"]
    assert found == [("before the kill",), ("before the stop",)]
    assert objects == [b"kept", b"kept"]


def test_a_server_that_does_not_come_up_says_why(tmp_path):
    with NatsServer(tmp_path / "a", free_port()) as first:
        second = NatsServer(tmp_path / "b", first.port)

        with pytest.raises(ServerNotReady, match=r"exit code 1(.|\n)*address already in use"):
            second.start()

    assert second.pid is None


def test_every_server_dies_with_a_parent_that_is_killed(tmp_path, gone):
    script = (
        "import time; from pathlib import Path; from heaters_local.servers import *\n"
        f"for kind in (NatsServer, PostgresServer, S3Server): print(kind(Path({str(tmp_path)!r}) / kind.NAME, free_port())"
        ".start().pid, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pids = [int(parent.stdout.readline()) for _ in KINDS]

        parent.kill()

    assert all(gone(pid) for pid in pids)


def test_a_child_outlives_the_thread_that_started_it(tmp_path):
    children: list[Child] = []

    def start() -> None:
        children.append(Child(["sleep", "600"], log=tmp_path / "log", env=os.environ))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert children[0].wait(0.3) is None
    assert children[0].stop(grace_s=5) == -signal.SIGTERM


def test_a_free_port_is_given_once():
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50
    assert all(20_000 <= port < 32_000 for port in ports)


def test_what_one_process_was_given_another_is_not_while_it_runs():
    many = "from heaters_local.ports import free_port; print(*(free_port() for _ in range(300)), flush=True); input()"
    argv = [sys.executable, "-c", many]
    with (
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
    ):
        given = [process.stdout.readline().split() for process in (one, other)]  # type: ignore[union-attr]  # they have one
        wished = free_port([int(given[0][0])])
        for process in (one, other):
            process.communicate("\n")

    assert [len(ports) for ports in given] == [300, 300]
    assert set(given[0]).isdisjoint(given[1])
    assert wished == int(given[0][0]), "whoever names a port gets it"


def test_a_log_is_put_aside_at_every_start(tmp_path: Path):
    server = NatsServer(tmp_path, free_port(), log=tmp_path / "nats.log")

    for _ in range(5):
        server.start()
        server.stop()

    assert sorted(file.name for file in tmp_path.glob("nats.log*")) == [
        "nats.log",
        "nats.log.1",
        "nats.log.2",
        "nats.log.3",
    ]
