"""Certificates for servers of the tests, made by openssl as an operator would."""

import os
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


class Authority:
    """A CA in `folder`: `file` is its certificate."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.file, self.key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", f"/CN=authority {name}", "-keyout", self.key, "-out", self.file)

    def sign(self, name, names="IP:127.0.0.1", days=30, key_type=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        """(certificate, key) for the subject alternative names `names`."""
        cert, key, request, extensions = (os.path.join(self.folder, name + end)
                                          for end in (".pem", ".key", ".csr", ".ext"))
        openssl("req", "-newkey", *key_type, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial",
                "-days", str(days), "-extfile", extensions, "-out", cert)
        return cert, key
