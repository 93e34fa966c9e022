"""The first account, made beside the database: whoever may start this may do everything there anyway."""

from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.secrets import hash_password, random_word
from heaters_review_api.accounts.store import Store
from heaters_review_api.db.engine import make_engine
from heaters_review_api.settings import Settings


async def make_keeper(settings: Settings, login: str) -> str:
    """Make an account that keeps accounts, and return its password, which is kept only as a hash.

    Raises:
        Taken: there is an account of this login.
    """
    engine = make_engine(settings)
    try:
        store = Store(engine, session_s=settings.session_s, idle_s=settings.session_idle_s)
        password = random_word()
        await store.add(login, login, [Role.OPS], password=await hash_password(password))
        return password
    finally:
        await engine.dispose()
