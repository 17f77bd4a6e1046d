"""How a service point proves who it is: by an authority of its own, or with a certificate from elsewhere.

    identity.py   what is shown and kept: keys and the chain of certificates
    authority.py  making an authority, and certificates by it
    pkcs12.py     taking an identity from a PKCS#12 file
    keeping.py    an identity on disk, whole or not at all
    shown.py      the certificate that computers are shown, and what is wrong with it or soon will be

Nothing of it is in the database.
"""
