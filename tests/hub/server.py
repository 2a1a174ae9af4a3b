"""A model hub on the loopback interface: what huggingface_hub calls, kept in memory, for the real client to talk to.

    with Hub() as hub: HfApi(endpoint=hub.url, token=TOKEN) ...

Large files (.safetensors, .png) go by the LFS protocol, others with the commit. `hub.refuse` makes requests fail:
it is given method and path and returns a status, or None. `hub.requests` has every request that came in.
"""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_" + "owner" * 7
READER = "hf_" + "reads" * 7  # may read everything and write nothing


def oid_of(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """The server and what it holds: repositories by name, each with commits {id: {path: content}} and refs."""

    def __init__(self):
        self.repos, self.large, self.requests, self.refuse = {}, {}, [], lambda method, path: None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def create(self, name: str, *, private: bool) -> None:
        attributes = {".gitattributes": b"*.safetensors filter=lfs\n"}
        self.repos[name] = {"private": private, "commits": {}, "branches": {}, "tags": {}, "log": []}
        self.commit(name, "main", attributes, "initial commit")

    def commit(self, name: str, branch: str, files: dict[str, bytes], message: str) -> str:
        repo = self.repos[name]
        held = repo["commits"].get(repo["branches"].get(branch), {}) | files
        commit = hashlib.sha1(repr((len(repo["log"]), sorted(held))).encode()).hexdigest()
        repo["commits"][commit] = held
        repo["branches"][branch] = commit
        repo["log"].append((branch, message))
        return commit

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        return self.repos[name]["commits"][self.find(name, revision)]

    def find(self, name: str, revision: str) -> str | None:
        repo = self.repos[name]
        named = repo["branches"] | repo["tags"] | {commit: commit for commit in repo["commits"]}
        return named.get(unquote(revision))

    def sent(self, method: str) -> list[str]:
        return [path for kind, path in self.requests if kind == method]


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body: object = None, status: int = 200, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def error(self, status: int, code: str = "", message: str = "") -> None:
        self.reply({"error": message or code}, status, X_Error_Code=code, X_Error_Message=message)

    def handle_request(self) -> None:
        path = urlsplit(self.path).path
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append((self.command, path))
        status = self.hub.refuse(self.command, path)
        if status:
            return self.error(status, message="the disk of the hub is full")
        self.who = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.who not in ("", TOKEN, READER):
            return self.error(401, message="Invalid credentials in Authorization header")
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == self.command:
                return self.answered(answer, found)
        return self.error(404, "EntryNotFound")

    do_GET = do_HEAD = do_POST = do_PUT = handle_request  # noqa: N815 - http.server's names

    def answered(self, answer, found) -> None:
        name = found.groupdict().get("id")
        if name is not None and (name not in self.hub.repos or (self.hub.repos[name]["private"] and not self.who)):
            return self.error(404 if self.who else 401, "RepoNotFound", "Repository not found")
        if self.command == "POST" and self.who != TOKEN and "validate" not in self.path:
            return self.error(403, message="You don't have the rights to write here")
        revision = found.groupdict().get("revision")
        if revision is not None and self.hub.find(name, revision) is None:
            return self.error(404, "RevisionNotFound", "Invalid rev id")
        return answer(self, **{key: unquote(value) for key, value in found.groupdict().items() if value is not None})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        known = name in self.hub.repos
        if not known:
            self.hub.create(name, private=asked.get("visibility") == "private")
        self.reply({"url": f"{self.hub.url}/{name}"}, 409 if known else 200)

    def validate(self) -> None:
        """What the real one checks first: YAML between two rules, with fields of the right kinds."""
        _, head, _ = json.loads(self.body)["content"].split("---\n", 2)
        data = yaml.safe_load(head)
        kinds = {"license": str, "pipeline_tag": str, "library_name": str, "tags": list, "model-index": list}
        wrong = [name for name, kind in kinds.items() if name in data and not isinstance(data[name], kind)]
        wrong += [code for code in data.get("language", []) if not re.fullmatch("[a-z]{2,3}", code)]
        errors = [{"message": f"bad metadata: {name}"} for name in wrong]
        self.reply({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, id: str, revision: str) -> None:
        held, answers = self.hub.files(id, revision), []
        for file in json.loads(self.body)["files"]:
            mode = "lfs" if file["path"].endswith((".safetensors", ".png")) else "regular"
            known = held.get(file["path"])
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
            if known is not None:
                answers[-1]["oid"] = hashlib.sha256(known).hexdigest() if mode == "lfs" else oid_of(known)
        self.reply({"files": answers})

    def batch(self, id: str) -> None:
        objects = json.loads(self.body)["objects"]
        for one in objects:
            if one["oid"] not in self.hub.large:
                one["actions"] = {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}
        self.reply({"transfer": "basic", "objects": objects})

    def put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.error(400, message="other content than announced")
        self.hub.large[oid] = self.body
        return self.reply()

    def commit(self, id: str, revision: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        files, message = {}, ""
        for value, kind in ((line["value"], line["key"]) for line in lines):
            if kind == "header":
                message = value["summary"]
            elif kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.hub.large[value["oid"]]
        oid = self.hub.commit(id, revision, files, message)
        self.reply({"commitUrl": f"{self.hub.url}/{id}/commit/{oid}", "commitOid": oid})

    def branch(self, id: str, name: str) -> None:
        repo = self.hub.repos[id]
        if name in repo["branches"]:
            return self.error(409, message="this branch exists already")
        repo["branches"][name] = repo["branches"]["main"]
        return self.reply()

    def tag(self, id: str, revision: str) -> None:
        name, tags = json.loads(self.body)["tag"], self.hub.repos[id]["tags"]
        if name in tags:
            return self.error(409, message=f"Tag {name} exists already")
        tags[name] = self.hub.find(id, revision)
        return self.reply()

    def info(self, id: str, revision: str = "main") -> None:
        files = [{"rfilename": path} for path in self.hub.files(id, revision)]
        commit = self.hub.find(id, revision)
        self.reply({"id": id, "sha": commit, "siblings": files, "private": self.hub.repos[id]["private"]})

    def tree(self, id: str, revision: str) -> None:
        entries = []
        for path, content in self.hub.files(id, revision).items():
            entries.append({"type": "file", "path": path, "size": len(content), "oid": oid_of(content)})
            digest = hashlib.sha256(content).hexdigest()
            if digest in self.hub.large:
                entries[-1]["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        self.reply(entries)

    def resolve(self, id: str, revision: str, path: str) -> None:
        content = self.hub.files(id, revision).get(path)
        if content is None:
            return self.error(404, "EntryNotFound", "Entry not found")
        digest = hashlib.sha256(content).hexdigest()
        etag = digest if digest in self.hub.large else oid_of(content)
        return self.reply(content, X_Repo_Commit=self.hub.find(id, revision), ETag=f'"{etag}"')


_ID, _REV = r"(?P<id>[^/]+/[^/]+)", r"(?P<revision>[^/]+)"
ROUTES = [
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("POST", f"/api/models/{_ID}/preupload/{_REV}", Handler.preupload),
    ("POST", f"/{_ID}\\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", "/large/(?P<oid>[0-9a-f]+)", Handler.put),
    ("POST", f"/api/models/{_ID}/commit/{_REV}", Handler.commit),
    ("POST", f"/api/models/{_ID}/branch/(?P<name>[^/]+)", Handler.branch),
    ("POST", f"/api/models/{_ID}/tag/{_REV}", Handler.tag),
    ("GET", f"/api/models/{_ID}(?:/revision/{_REV})?", Handler.info),
    ("GET", f"/api/models/{_ID}/tree/{_REV}", Handler.tree),
    ("HEAD", f"/{_ID}/resolve/{_REV}/(?P<path>.+)", Handler.resolve),
    ("GET", f"/{_ID}/resolve/{_REV}/(?P<path>.+)", Handler.resolve),
]
