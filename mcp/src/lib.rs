//! What a Model Context Protocol client can ask of Credence.
