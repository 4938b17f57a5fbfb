"""A simulated Exotel: telephones, applets, media streams and the REST API."""
