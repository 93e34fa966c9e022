import pytest
from heaters_local.table import cores, read_table

FACTS = {
    "nats_url": "nats://n",
    "database_url": "postgresql+psycopg://d",
    "s3_endpoint": "http://s",
    "s3_bucket": "heaters",
    "s3_access_key": "access",
    "s3_secret_key": "secret",
    "cache_dir": "/c",
    "token": "t",
}


def test_the_table_names_the_six_services_and_a_preprocessor_for_each_core():
    names = [instance.name for instance in read_table().instances()]

    others = [name for name in names if not name.startswith("preprocessor-")]
    assert others == ["downloader-1", "scenes-1", "exporter-1", "embedder-1", "review-api-1"]
    assert len(names) - len(others) == cores()


def test_only_review_api_and_migrate_know_the_database_and_the_token():
    table = read_table()

    knowing = {
        instance.name
        for instance in (*table.steps(), *table.instances())
        if {"HEATERS_DATABASE_URL", "HEATERS_TOKEN"} & instance.environment(FACTS, port=1, inherited={}).keys()
    }

    assert knowing == {"migrate", "review-api-1"}


def test_what_the_table_says_wins_and_everything_else_is_passed_on():
    (downloader,) = (item for item in read_table().instances() if item.name == "downloader-1")

    given = downloader.environment(
        FACTS,
        port=4711,
        inherited={"HEATERS_NATS_URL": "nats://other", "HEATERS_ALLOW_HOSTS": "a.test", "PATH": "/bin"},
    )

    assert given == {
        "PATH": "/bin",
        "HEATERS_ALLOW_HOSTS": "a.test",
        "HEATERS_NATS_URL": "nats://n",
        "HEATERS_S3_ENDPOINT": "http://s",
        "HEATERS_S3_PUBLIC_ENDPOINT": "http://s",
        "HEATERS_S3_BUCKET": "heaters",
        "HEATERS_S3_ACCESS_KEY": "access",
        "HEATERS_S3_SECRET_KEY": "secret",
        "HEATERS_CACHE_DIR": "/c",
        "HEATERS_LISTEN": "127.0.0.1:4711",
        "HEATERS_LANES": "interactive,bulk",
        "HEATERS_GRACE_S": "5",
        "HEATERS_SERVICE_INSTANCE": "downloader-1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('grace_s = 1\nstart_s = 1\nservers = ["mysql"]', "mysql"),
        ("grace_s = 1\nstart_s = 1\n[[services]]\ncommand = ['x']", "name"),
        ("services = [", "no table of services"),
        ("servers = []", "grace_s"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, says):
    file = tmp_path / "table.toml"
    file.write_text(text)

    with pytest.raises(ValueError, match=says):
        read_table(file)
