"""Where built and fetched things are kept between builds."""
